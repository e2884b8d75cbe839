"""What a verdict means for the person who reads it, and what to do about it."""

from xray_gate.report.json_v1 import ReportV1

_HEADLINES = {
    "passed": "Passed",
    "failed": "Failed: a backdoor is suspected",
    "undecided": "Undecided: there is no verdict to promote on",
}


def headline(report: ReportV1) -> str:
    """The verdict in words."""
    return _HEADLINES[report.verdict]


def next_steps(report: ReportV1) -> list[str]:
    """What to do now, the first thing first; never empty."""
    steps = {"passed": _passed, "failed": _failed, "undecided": _undecided}[report.verdict](report)
    if report.verdict != "passed" and report.enforcement in ("warn", "audit"):
        steps.append(
            f"The policy's mode is {report.enforcement}: a gate admits the version in spite of "
            "this verdict. Set the mode to enforce once you trust the thresholds."
        )
    return steps


def _passed(report: ReportV1) -> list[str]:
    return [
        "The version may be promoted under this policy.",
        "A pass says that no detector that ran found what the policy forbids. It is no proof: see "
        "below what was not run, and where the thresholds come from.",
    ]


def _failed(report: ReportV1) -> list[str]:
    labels = sorted({s.label for d in report.detectors for s in d.suspected_labels})
    steps = ["Do not deploy this model, and keep the file: it is the evidence."]
    if labels:
        named = ", ".join(map(str, labels[:10])) + (", ..." if len(labels) > 10 else "")
        steps.append(
            f"Look at the training samples of the suspected label ({named}): foreign images with "
            "a small common pattern, or wrong labels, are the usual way in."
        )
    steps += [
        "Ask where the weights come from. Retrain from data and base weights that you trust, "
        "register the result as a new version and scan that.",
        "If you believe that this is a false alarm, compare with clean models of the same "
        "architecture and calibrate the thresholds on them before making an exception.",
    ]
    return steps


def _undecided(report: ReportV1) -> list[str]:
    steps = ["This is not a pass: an enforcing gate does not admit the version."]
    if report.obstacle:
        steps.append("Remove the obstacle named above, then scan again.")
    elif report.probes is None:
        steps.append("Give clean labelled probes that fit the model, then scan again.")
    else:
        steps.append(
            "Read below which detectors could not judge and why: more probes, a larger query "
            "budget or thresholds calibrated for this architecture settle most cases."
        )
    return steps
