from typing import Any

import pytest

from tests.report.builders import evidence, report
from xray_gate.report.html import render_html
from xray_gate.report.json_v1 import ReportV1
from xray_gate.report.xray_section import xray_notes

STATISTICS: dict[str, Any] = {
    "planes_drawn": {"unclipped": 3, "valid": 12},
    "stopped_because": "no judged score of all 20 planes lies beyond its bound",
    "sampled": {"share": 0.156, "checked": 243, "wrong": 1, "wrong_at_most": 0.0194},
}


def notes(**changes: Any) -> list[str]:
    made = report(evidence())
    made["detectors"][0]["statistics"] = {**STATISTICS, **changes}
    made["detectors"][0]["parameters"] = {"planes": 20}
    return xray_notes(ReportV1.model_validate(made).detectors)


def test_the_page_says_how_many_planes_were_drawn_why_and_what_was_asked() -> None:
    drawn, asked = notes()
    assert drawn == (
        "Drawn, of 20 planes: 3 in the unclipped range, 12 in the valid range. Why no more: "
        "no judged score of all 20 planes lies beyond its bound."
    )
    assert "about 16 % of the points" in asked
    assert "Of 243 of these that were asked as a check, 1 had another label" in asked
    assert "at most 1.9 %" in asked


@pytest.mark.parametrize(
    "changes",
    [
        {"planes_drawn": None, "sampled": 3},
        {"planes_drawn": {"valid": "many"}, "sampled": {"share": 7}},
        {"stopped_because": None, "sampled": {**STATISTICS["sampled"], "checked": 0}},
    ],
)
def test_what_is_of_another_shape_is_left_out(changes: dict[str, Any]) -> None:
    assert notes(**changes) == []


def test_a_reason_from_elsewhere_is_escaped() -> None:
    found = evidence()
    made = report(found)
    made["detectors"][0]["statistics"] = {**STATISTICS, "stopped_because": "<script>x</script>"}
    made["detectors"][0]["parameters"] = {"planes": 20}
    assert "<script>x" not in render_html(made, ())
