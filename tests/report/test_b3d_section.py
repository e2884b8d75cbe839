import json
import math
from typing import Any

import pytest

from tests.report.b3d_builders import b3d_report, b3d_statistics
from tests.report.pages import Page
from xray_gate.report.b3d_section import B3DSection, b3d_section
from xray_gate.report.html import render_html
from xray_gate.report.json_v1 import DetectorV1, ReportV1

NAMES = ["cat", "dog", "bird", "frog"]


def detector(found: dict[str, Any], **changes: Any) -> DetectorV1:
    read = ReportV1.model_validate(b3d_report()).detectors[1]
    return read.model_copy(update={"statistics": found, **changes})


def section(found: dict[str, Any], **changes: Any) -> B3DSection:
    made = b3d_section([detector(found, **changes)], NAMES)
    assert made is not None
    return made


def test_what_b3d_did_is_told_in_facts() -> None:
    assert section(b3d_statistics()).facts == [
        ("median of the masks", "33.2 pixels"),
        ("smallest mask", "4.0 pixels"),
        ("held-back images", "100"),
        ("queries", "1,234,567"),
        ("time", "61.2 s"),
    ]


def test_a_label_has_its_numbers() -> None:
    (row, *_) = section(b3d_statistics()).labels
    assert (row.label, row.size, row.index, row.success) == ("3 frog", "4.0", "5.68", "98 %")
    assert (row.found, row.iterations) == ("yes", "160")
    assert row.stopped == "the mask has not shrunk for 60 iterations"
    assert row.suspected


def test_the_suspected_labels_come_first_and_the_others_by_the_size_of_their_mask() -> None:
    suspected = [{"label": 2, "share": 1.0}]
    read = ReportV1.model_validate(b3d_report()).model_dump()["detectors"][1]
    found = DetectorV1.model_validate({**read, "suspected_labels": suspected})
    made = b3d_section([found], None)
    assert made is not None
    assert [row.label for row in made.labels] == ["2", "3", "0", "1"]
    assert [row.suspected for row in made.labels] == [True, False, False, False]
    assert [row.found for row in made.labels] == ["yes", "yes", "yes", "no"]


def test_a_bar_is_as_long_as_the_mask_is_large() -> None:
    bars = [row.bar for row in section(b3d_statistics()).labels]
    assert [
        f'width="{share:.2f}"' in bar
        for share, bar in zip(
            (100 * 4 / 40.25, 100 * 30.5 / 40.25, 100 * 36 / 40.25, 100.0), bars, strict=True
        )
    ] == [True] * 4


def test_masks_of_no_pixels_have_no_bar() -> None:
    made = section(b3d_statistics(mask_l1=[0.0] * 4))
    assert [row.bar for row in made.labels] == [""] * 4
    assert made.facts[0] == ("median of the masks", "0.0 pixels")


def test_many_labels_are_shown_in_part() -> None:
    made = section({"mask_l1": [float(size) for size in range(100, 0, -1)]})
    assert (len(made.labels), made.left_out) == (20, 80)
    assert [row.label for row in made.labels[:3]] == ["3 frog", "99", "98"]
    assert [row.size for row in made.labels[:3]] == ["97.0", "1.0", "2.0"]


def test_values_by_label_may_be_a_mapping() -> None:
    made = section({"mask_l1": {"3": 2.0, "12": 1.0, "x": 5.0, "-1": 3.0, "9" * 12: 1.0}})
    assert [(row.label, row.size) for row in made.labels] == [("3 frog", "2.0"), ("12", "1.0")]


def test_what_is_not_known_is_said_and_comes_last() -> None:
    made = section(
        {"mask_l1": [None, 8.0, -3.0, "large"], "reached": [1, None], "stopped": [7, "x"]}
    )
    assert [row.size for row in made.labels] == ["not known", "8.0", "not known", "not known"]
    # The suspected label stands first whatever is known of it.
    assert [row.label for row in made.labels] == ["3 frog", "1 dog", "0 cat", "2 bird"]
    assert [row.found for row in made.labels] == ["not known"] * 4
    assert [row.stopped for row in made.labels] == ["not known", "x", "not known", "not known"]
    assert made.facts[0] == ("median of the masks", "8.0 pixels")


@pytest.mark.parametrize(("outcome", "failed"), [("failed", True), ("passed", False)])
def test_the_outcome_says_what_a_suspected_label_is(outcome: str, failed: bool) -> None:
    assert section(b3d_statistics(), outcome=outcome).failed is failed


@pytest.mark.parametrize("name", ["model_xray", "trigger_sweep", "dtinspector"])
def test_only_b3d_has_the_section(name: str) -> None:
    assert b3d_section([detector(b3d_statistics(), name=name)], NAMES) is None


def test_a_search_that_did_not_complete_has_no_numbers() -> None:
    assert b3d_section([detector({})], NAMES) is None


ODD: list[Any] = [
    *(None, True, -1, 1e308, math.pi, "x", [], [[]], {}),
    *([None, "x"], {"1": []}, [1e308] * 9, [{}], list(range(3000))),
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_a_report_with_odd_statistics_is_still_shown(odd: Any) -> None:
    for key in b3d_statistics():
        broken = b3d_report()
        broken["detectors"][1]["statistics"] = json.loads(json.dumps(b3d_statistics(**{key: odd})))
        assert "Numbers of B3D" in Page(render_html(broken, [], NAMES)).text
