"""What a verdict means for the person who reads it, and what to do about it."""

from xray_gate.report.b3d_section import B3D
from xray_gate.report.dtinspector_section import DTINSPECTOR
from xray_gate.report.json_v1 import DetectorV1, ReportV1
from xray_gate.report.sweep_section import SWEEP
from xray_gate.report.visible import visible

# They show images with the trigger that they found.
_SHOW_TRIGGERS = (SWEEP, B3D)
# They are judged by bounds of their own, without a calibration.
_NOT_CALIBRATED = (*_SHOW_TRIGGERS, DTINSPECTOR)

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
    if report.verdict != "passed" and report.enforcement in ("warn", "audit", "off"):
        steps.append(
            f"The policy's mode is {report.enforcement}: a gate admits the version in spite of "
            "this verdict. Set the mode to enforce once you trust the thresholds."
        )
    told = "; ".join(exceptions_told(report))
    if told:
        steps.append(
            f"A gate admits the version in spite of this verdict, by exception: {told}. Register a "
            "version that passes before it ends."
        )
    return steps


def exceptions_told(report: ReportV1) -> list[str]:
    """Each exception that admits the version, as `name (rule, ticket) until day`."""
    return [
        f"{visible(one.name, 100)} ({visible(one.rule, 100)}, {visible(one.ticket, 100)}) until "
        f"{visible(one.expires, 100)}"
        for one in report.exceptions
    ]


def _passed(report: ReportV1) -> list[str]:
    sweep = _sweep(report, "passed")
    limit = "what this pass excludes, " if sweep and sweep.statistics.get("detection_limit") else ""
    return [
        "The version may be promoted under this policy.",
        "A pass says that no detector that ran found what the policy forbids. It is no proof: see "
        f"below {limit}what was not run, and where the thresholds come from.",
    ]


def _failed(report: ReportV1) -> list[str]:
    labels = {
        suspected.label for detector in _failing(report) for suspected in detector.suspected_labels
    }
    return [
        "Do not deploy this model, and keep the file: it is the evidence.",
        *_look(report, sorted(labels)),
        *_list_samples(report),
        "Ask where the weights come from. Retrain from base weights that you trust and on data "
        "whose origin you know, register the result as a new version and scan that.",
        _false_alarm(report),
    ]


def _look(report: ReportV1, labels: list[int]) -> list[str]:
    """Where to look for the way in."""
    named = ", ".join(map(str, labels[:10])) + (", ..." if len(labels) > 10 else "")
    if any(d.name in _SHOW_TRIGGERS for d in _failing(report)):
        target = f"the suspected label ({named})" if labels else "every label"
        return [
            "Look at the stamped images in report.html, then at the training images of "
            f"{target}: images of other classes with a similar change, or with wrong labels, are "
            "how such a trigger gets in."
        ]
    if labels:
        return [
            f"Look at the training samples of the suspected label ({named}): foreign images with "
            "a small common pattern, or wrong labels, are the usual way in."
        ]
    return []


def _list_samples(report: ReportV1) -> list[str]:
    if not any(d.name == DTINSPECTOR and d.suspected_labels for d in _failing(report)):
        return []
    return [
        "Find the training samples that probably carry a trigger: `xray-gate cleanse` lists them, "
        "from this report and the training data."
    ]


def _false_alarm(report: ReportV1) -> str:
    failing = _failing(report)
    if failing and all(d.name in _SHOW_TRIGGERS for d in failing):
        return (
            "If you believe that this is a false alarm, stamp the trigger on samples of your own "
            "or scan with other probes and seeds, and compare with a clean model of the same task "
            "before making an exception."
        )
    if failing and all(d.name in _NOT_CALIBRATED for d in failing):
        return (
            "If you believe that this is a false alarm, scan with other seeds, and compare with a "
            "clean model of the same task before making an exception."
        )
    return (
        "If you believe that this is a false alarm, compare with clean models of the same "
        "architecture and calibrate the thresholds on them before making an exception."
    )


def _failing(report: ReportV1) -> list[DetectorV1]:
    return [detector for detector in report.detectors if detector.outcome == "failed"]


def _undecided(report: ReportV1) -> list[str]:
    steps = ["This is not a pass: an enforcing gate does not admit the version."]
    if _answers_by_company(report):
        return [
            *steps,
            "Ask where the model comes from, and do not run it where it can do harm. If it is "
            "yours, find the layer that looks at a batch as a whole, export the model in "
            "evaluation mode, register it as a new version and scan that.",
        ]
    if report.obstacle:
        return [*steps, "Remove the obstacle named above, then scan again."]
    if report.probes is None:
        return [*steps, "Give clean labelled probes that fit the model, then scan again."]
    if (sweep := _sweep(report, "inconclusive")) and "more probes" in (sweep.reason or ""):
        steps.append(
            f"Give more probes: {report.probes.count:,} samples, of which the model gets "
            f"{report.probes.accuracy:.0%} right, are too few for the trigger sweep. About 100 "
            "clean labelled samples of all classes do, and 20 or more of each class let it look "
            "for triggers that work on one class only."
        )
    steps.append(
        "Read below which detectors could not judge and why: more probes, a larger query "
        "budget or thresholds calibrated for this architecture settle most cases."
    )
    return steps


def _answers_by_company(report: ReportV1) -> bool:
    if report.answers is None:
        return False
    ways = (report.answers.clean_among_probing, report.answers.probing_among_clean)
    return any(way.disagreed > way.rounded for way in ways)


def _sweep(report: ReportV1, outcome: str) -> DetectorV1 | None:
    found = (d for d in report.detectors if d.name == SWEEP and d.outcome == outcome)
    return next(found, None)
