"""The report in a few lines for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from xray_gate.report.json_v1 import DetectorV1, ReportV1
from xray_gate.report.measures import measures, number
from xray_gate.report.visible import visible


def render_text(report: Mapping[str, Any]) -> str:
    """Verdict, reasons and a paragraph for each detector; ends in a line break.

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
    lines.append(f"model     {visible(read.model.digest)}")
    if read.probes is not None:
        lines.append(
            f"probes    {read.probes.count:,} clean samples of {read.probes.classes:,} classes, "
            f"accuracy {read.probes.accuracy:.1%}"
        )
    lines.append("detectors" if read.detectors else "detectors none ran")
    width = max((len(visible(detector.name)) for detector in read.detectors), default=0)
    for detector in read.detectors:
        lines += _detector(detector, width)
    return "\n".join(lines) + "\n"


def _enforcement(report: ReportV1) -> str:
    if report.verdict == "passed" or report.enforcement in (None, "enforce"):
        return ""
    return f" (mode {report.enforcement}: a gate would admit the version all the same)"


def _detector(detector: DetectorV1, width: int) -> Iterator[str]:
    cost = f"{detector.queries:,} queries, {detector.seconds:.1f} s"
    head = f"  {visible(detector.name):<{width}}  {detector.outcome}"
    yield head if detector.outcome == "skipped" else f"{head} ({cost})"
    if detector.reason:
        yield f"      {visible(detector.reason)}"
    for measure in measures(detector.statistics, detector.thresholds):
        score = "no score" if measure.score is None else number(measure.score)
        mark = "  <- suspicious" if measure.beyond else ""
        yield visible(f"      {measure.key} {score} ({measure.rule}){mark}")
    for suspected in detector.suspected_labels:
        yield f"      suspected label {suspected.label} (share {suspected.share:.1%})"
