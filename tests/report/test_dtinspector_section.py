import json
import math
from typing import Any

import pytest

from tests.report.builders import HOSTILE
from tests.report.dtinspector_builders import (
    TRAINING,
    dtinspector_report,
    dtinspector_statistics,
)
from tests.report.pages import Page
from xray_gate.report.dtinspector_section import DTInspectorSection, dtinspector_section
from xray_gate.report.html import render_html
from xray_gate.report.json_v1 import DetectorV1, ReportV1

NAMES = ["cat", "dog", "bird", "frog", "ship", "deer"]


def detector(found: dict[str, Any], **changes: Any) -> DetectorV1:
    read = ReportV1.model_validate(dtinspector_report()).detectors[1]
    return read.model_copy(update={"statistics": found, **changes})


def section(
    found: dict[str, Any], training: dict[str, Any] | None = None, **changes: Any
) -> DTInspectorSection:
    made = dtinspector_section([detector(found, **changes)], training or {}, NAMES)
    assert made is not None
    return made


def test_what_dtinspector_did_is_told_in_facts() -> None:
    assert section(dtinspector_statistics()).facts == [
        ("lowest transfer ratio", "12 %"),
        ("median of the transfer ratios", "96 %"),
        ("labels compared", "5"),
        ("samples of either kind a label", "at most 50"),
        ("queries", "70,592"),
        ("time", "98.4 s"),
    ]


def test_a_label_has_its_numbers() -> None:
    (row, *_) = section(dtinspector_statistics()).labels
    assert (row.label, row.transfer, row.fitted) == ("3 frog", "12 %", "95 %")
    assert row.held_back == "88 %"
    assert (row.index, row.size, row.samples) == ("12.4", "4.0", "6,000")
    assert 'width="12.00"' in row.bar
    assert row.suspected


def test_the_suspected_labels_come_first_and_the_others_by_their_transfer_ratio() -> None:
    rows = section(dtinspector_statistics(transfer_ratio=[1.0, 0.96, 0.97, 0.5, 0.3, None])).labels
    assert [row.label for row in rows] == ["3 frog", "4 ship", "1 dog", "2 bird", "0 cat"]
    assert [row.suspected for row in rows] == [True] + [False] * 4


def test_labels_without_enough_samples_are_named_and_have_no_row() -> None:
    made = section(dtinspector_statistics())
    assert made.not_tested == "5 deer"
    assert "5 deer" not in [row.label for row in made.labels]


def test_a_label_that_was_measured_although_it_is_named_as_not_tested_has_a_row() -> None:
    made = section(dtinspector_statistics(labels_not_tested=[1, 3, 5]))
    assert [row.label for row in made.labels] == ["3 frog", "4 ship", "1 dog", "0 cat", "2 bird"]


def test_many_labels_are_shown_in_part() -> None:
    ratios = [1 - label / 1000 for label in range(1000)]
    made = section({"transfer_ratio": ratios, "labels_not_tested": list(range(1000, 1100))})
    assert (len(made.labels), made.left_out) == (20, 980)
    assert [row.label for row in made.labels[:3]] == ["3 frog", "999", "998"]
    assert made.not_tested.endswith("1010, 1011 and 88 more")


def test_what_is_not_known_is_said_and_comes_last() -> None:
    made = section({"transfer_ratio": [None, 0.8, -3.0, "low", 1.5], "fitted_ratio": [True]})
    # The suspected label stands first whatever is known of it.
    assert [row.label for row in made.labels] == ["3 frog", "1 dog", "0 cat", "2 bird", "4 ship"]
    assert [row.transfer for row in made.labels] == ["not known", "80 %", *["not known"] * 3]
    assert [bool(row.bar) for row in made.labels] == [False, True, False, False, False]
    assert {row.fitted for row in made.labels} == {"not known"}
    assert made.facts[:3] == [
        ("lowest transfer ratio", "80 %"),
        ("median of the transfer ratios", "80 %"),
        ("labels compared", "1"),
    ]


def test_values_by_label_may_be_a_mapping() -> None:
    made = section({"transfer_ratio": {"3": 0.2, "12": 0.1, "x": 0.5, "-1": 0.3}})
    assert [(row.label, row.transfer) for row in made.labels] == [
        ("3 frog", "20 %"),
        ("12", "10 %"),
    ]


@pytest.mark.parametrize(
    ("access", "reason", "said"),
    [
        ("gradient", None, "The patches were learned by gradients, as in the paper."),
        ("soft-label", None, "is known."),
        ("soft-label", "no slopes", "is known. Why not by gradients: no slopes."),
        ("soft-label", ["odd"], "is known."),
        ("hard-label", None, "How the patches were learned is not known."),
    ],
)
def test_how_patches_were_learned_is_told(access: str, reason: object, said: str) -> None:
    made = section(dtinspector_statistics(no_gradients=reason), access=access)
    assert made.learned.endswith(said)
    assert ("by queries alone" in made.learned) is (access == "soft-label")


def test_a_long_reason_is_cut_and_acts_on_nothing() -> None:
    learned = section(dtinspector_statistics(no_gradients=HOSTILE), access="soft-label").learned
    assert len(learned) < 1000
    assert "\x1b" not in learned


def test_the_training_data_are_told() -> None:
    assert section(dtinspector_statistics(), TRAINING).training == [
        ("samples", "20,000"),
        ("accuracy on them", "98.9 %"),
        ("source", "train.npz"),
        ("digest", TRAINING["sha256"]),
    ]


@pytest.mark.parametrize("odd", [{}, {"source": 3, "samples": 7, "sha256": None}])
def test_of_the_training_data_only_what_is_known_is_told(odd: dict[str, Any]) -> None:
    assert section(dtinspector_statistics(), odd).training == [
        ("samples", "20,000"),
        ("accuracy on them", "98.9 %"),
    ]
    bare = section({"transfer_ratio": [0.5]}, odd).training
    assert bare == [("samples", "7")] * bool(odd)


@pytest.mark.parametrize(("outcome", "failed"), [("failed", True), ("passed", False)])
def test_the_outcome_says_what_a_suspected_label_is(outcome: str, failed: bool) -> None:
    assert section(dtinspector_statistics(), outcome=outcome).failed is failed


@pytest.mark.parametrize("name", ["model_xray", "trigger_sweep", "b3d"])
def test_only_dtinspector_has_the_section(name: str) -> None:
    assert dtinspector_section([detector(dtinspector_statistics(), name=name)], {}, NAMES) is None


def test_an_inspection_that_did_not_complete_has_no_numbers() -> None:
    assert dtinspector_section([detector({})], {}, NAMES) is None


ODD: list[Any] = [
    *(None, True, -1, 1e308, math.pi, "x", [], [[]], {}),
    *([None, "x"], {"1": []}, [1e308] * 9, [{}], list(range(3000))),
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_a_report_with_odd_statistics_is_still_shown(odd: Any) -> None:
    for key in dtinspector_statistics():
        found = json.loads(json.dumps(dtinspector_statistics(**{key: odd})))
        broken = dtinspector_report(environment={"training_data": odd})
        broken["detectors"][1]["statistics"] = found
        assert "Numbers of DTInspector" in Page(render_html(broken, [], NAMES)).text
