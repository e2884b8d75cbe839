"""The report in a few lines for a terminal; report.html has the rest."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xray_gate.report.answers_told import answers_told
from xray_gate.report.foreign import as_count, as_mapping, as_text
from xray_gate.report.json_v1 import DetectorV1, ReportV1
from xray_gate.report.measures import Measure, measures, number, percent
from xray_gate.report.next_steps import exceptions_told
from xray_gate.report.visible import visible

_LONGEST_NAME, _LONGEST_FINDING, _MOST_SUSPECTS = 60, 300, 5


def render_text(report: Mapping[str, Any]) -> str:
    """Verdict, reasons and a line for each detector; ends in a line break.

    `report` is what `report_json` gives; pydantic's ValidationError (a ValueError) when it is not.
    Foreign strings are shown with their control characters escaped, so nothing in the result acts
    on a terminal.
    """
    read = ReportV1.model_validate(report)
    lines = [f"{read.verdict.upper()}  {visible(read.model.ref)}"]
    lines += [f"  - {visible(reason)}" for reason in read.reasons]
    if read.obstacle and read.obstacle not in " ".join(read.reasons):
        lines.append(f"  - {visible(read.obstacle)}")
    lines.append(f"policy    {visible(read.policy.name)}{_enforcement(read)}")
    lines += [f"exception {told}" for told in exceptions_told(read)]
    lines.append(f"model     {visible(read.model.digest)}")
    if read.probes is not None:
        lines.append(
            f"probes    {read.probes.count:,} clean samples of {read.probes.classes:,} classes, "
            f"accuracy {read.probes.accuracy:.1%}"
        )
    for what, told in answers_told(read.answers).items():
        lines.append(f"answers   {what}: {told}")
    lines += _training(read)
    lines.append("detectors" if read.detectors else "detectors none ran")
    lines += _detectors(read)
    return "\n".join(lines) + "\n"


def _training(report: ReportV1) -> Iterator[str]:
    """The data themselves; why there are none is what the detectors say that need them."""
    told = as_mapping(report.environment.get("training_data"))
    samples, digest = as_count(told.get("samples")), as_text(told.get("sha256"))
    if samples is not None:
        yield f"training  {samples:,} samples{f', {visible(digest, 100)}' if digest else ''}"


def _enforcement(report: ReportV1) -> str:
    if report.verdict == "passed" or report.enforcement in (None, "enforce"):
        return ""
    return f" (mode {report.enforcement}: a gate would admit the version all the same)"


def _detectors(report: ReportV1) -> Iterator[str]:
    names = [visible(detector.name, _LONGEST_NAME) for detector in report.detectors]
    width = max(map(len, names), default=0)
    for name, detector in zip(names, report.detectors, strict=True):
        cost = f" ({detector.queries:,} queries, {detector.seconds:.1f} s)"
        head = f"{detector.outcome}{'' if detector.outcome == 'skipped' else cost}"
        said = "; ".join(_findings(detector, report.reasons))
        yield f"  {name:<{width}}  {head}{': ' if said else ''}{said}"


def _findings(detector: DetectorV1, told: Sequence[str]) -> Iterator[str]:
    """Scores with a bound and the label they accuse; a reason where they do not explain it.

    `told` are the reasons of the verdict, which are not said again.
    """
    judged = [
        measure
        for measure in measures(detector.statistics, detector.thresholds)
        if measure.bound is not None
    ]
    for measure in judged:
        yield visible(_score(measure), _LONGEST_FINDING)
    if detector.outcome == "failed":
        for suspected in detector.suspected_labels[:_MOST_SUSPECTS]:
            yield f"suspected label {suspected.label} ({percent(suspected.share)})"
    if without := as_text(detector.statistics.get("no_gradients")):
        yield visible(f"patches learned by queries: {without}", _LONGEST_FINDING)
    explained = judged and detector.outcome in ("passed", "failed")
    reason = detector.reason or ""
    if reason and not explained and not any(reason in line for line in told):
        yield visible(reason)


def _score(measure: Measure) -> str:
    score = "no score" if measure.score is None else number(measure.score)
    mark = " <- suspicious" if measure.beyond else ""
    return f"{measure.key} {score} ({measure.rule}){mark}"
