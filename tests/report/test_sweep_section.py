import json
import math
from typing import Any

import pytest

from tests.report.sweep_builders import LIMIT, one_row, statistics, swept_report
from xray_gate.report.html import render_html
from xray_gate.report.json_v1 import DetectorV1, ReportV1
from xray_gate.report.sweep_section import SweepSection, sweep_section

NAMES = ["cat", "dog", "bird", "frog"]


def detector(found: dict[str, Any], **changes: Any) -> DetectorV1:
    read = ReportV1.model_validate(swept_report()).detectors[1]
    return read.model_copy(update={"statistics": found, **changes})


def section(found: dict[str, Any], **changes: Any) -> SweepSection:
    made = sweep_section([detector(found, **changes)], NAMES)
    assert made is not None
    return made


def test_what_the_sweep_did_is_told_in_facts() -> None:
    assert section(statistics()).facts == [
        ("best flip rate to one label", "97 %"),
        ("best flip rate to any other label", "90 %"),
        ("candidates tried", "1,068"),
        ("images of the search", "35"),
        ("held-out images of the test", "36"),
        ("queries", "20,533"),
        ("time", "4.3 s"),
    ]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("all-to-one", "all images to 3 frog (all-to-one)"),
        ("all-to-all", "all images to any other label (all-to-all)"),
        ("source-specific", "images of 1 dog to 3 frog (source-specific)"),
        ("of a newer kind", "of a newer kind"),
    ],
)
def test_a_reading_is_put_in_words(kind: str, said: str) -> None:
    assert section(statistics(tested=[one_row(kind)])).tested[0].reading == said


def test_a_tested_trigger_has_its_numbers() -> None:
    row = section(statistics()).tested[0]
    assert row.text == "a 2x2 white patch at the bottom right"
    assert (row.moved, row.share, row.allowance) == ("35 of 36", "97 %", "50 %")
    assert (row.p_value, row.beyond) == ("< 0.000001", True)


@pytest.mark.parametrize(("share", "beyond"), [(0.51, True), (0.5, False), (0.1, False)])
def test_a_share_above_its_allowance_is_marked(share: float, beyond: bool) -> None:
    assert section(statistics(tested=[one_row(share=share)])).tested[0].beyond is beyond


def test_flip_rates_have_bars_and_the_rest_its_largest() -> None:
    bars = section(statistics(flip_rate_by_label=[1.0, *[0.1] * 12, 0.2])).bars
    assert [(bar.name, bar.share) for bar in bars[:2]] == [("0 cat", 1.0), ("13", 0.2)]
    assert (bars[-1].name, bars[-1].share) == ("2 more labels", 0.1)


def test_the_detection_limit_names_what_is_found_and_what_is_not() -> None:
    limit = section(statistics(detection_limit=LIMIT)).limit
    assert limit is not None
    assert (limit.share, limit.trials, limit.level) == ("95 %", "20", "")
    assert (limit.found, limit.missed) == (["patches from 3x3 pixels"], ["smooth warp"])
    assert [(kind.text, kind.smallest) for kind in limit.kinds] == [
        ("patch", "patches from 3x3 pixels"),
        ("smooth warp", "none of those tried"),
    ]
    assert limit.kinds[0].rates == [("0.031", "25 %"), ("0.094", "100 %")]


def test_how_the_trials_were_made_is_told_where_it_is_known() -> None:
    limit = section(statistics(detection_limit={**LIMIT, "level": 0.05, "chance": 0.2})).limit
    assert limit is not None
    assert (limit.level, limit.chance) == ("0.05", "20 %")


def test_a_dose_that_any_model_may_answer_to_is_not_judged() -> None:
    row = section(statistics(tested=[one_row(allowance=1.0, share=1.0)])).tested[0]
    assert (row.allowance, row.beyond) == ("not judged", False)


def test_what_was_not_tested_is_named() -> None:
    made = section(statistics(sources_not_tested=[1, 3], families_not_judged=["warp", "ghost"]))
    assert made.sources_not_tested == "1 dog, 3 frog"
    assert made.families_not_judged == "warp, ghost"
    many = section(statistics(sources_not_tested=list(range(40)))).sources_not_tested
    assert many.endswith("11 and 28 more")


@pytest.mark.parametrize("name", ["model_xray", "b3d"])
def test_only_a_trigger_sweep_has_the_section(name: str) -> None:
    assert sweep_section([detector(statistics(), name=name)], NAMES) is None


def test_a_sweep_that_did_not_complete_has_no_numbers() -> None:
    assert sweep_section([detector({})], NAMES) is None


ODD: list[Any] = [
    None,
    True,
    -1,
    1e308,
    math.pi,
    "x",
    [],
    [[]],
    {},
    {"kind": []},
    [{"kind": 1}],
    [[1, 2, 3]],
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_a_report_with_odd_statistics_is_still_shown(odd: Any) -> None:
    for key in (*statistics(), "detection_limit", "sources_not_tested", "families_not_judged"):
        _render(statistics(**{key: odd}))
    for key in one_row():
        _render(statistics(tested=[one_row(**{key: odd})], candidate=one_row(**{key: odd})))
    for key in LIMIT:
        _render(statistics(detection_limit={**LIMIT, key: odd}))
    for key in ("kind", "text", "smallest", "rates"):
        _render(statistics(detection_limit={**LIMIT, "kinds": [{"kind": "patch", key: odd}]}))


def _render(found: dict[str, Any]) -> None:
    broken = swept_report()
    broken["detectors"][1]["statistics"] = json.loads(json.dumps(found))
    assert "Numbers of the trigger sweep" in render_html(broken, [])


def test_the_admitted_version_stands_beside_the_new_one_where_there_is_one() -> None:
    alone = section(statistics(tested=[one_row()]))
    beside = section(statistics(tested=[one_row(champion_share=0.12)], champion_queries=12_345))
    assert (alone.compared, beside.compared) == (False, True)
    assert beside.tested[0].champion == "12 %"
    assert ("queries to the admitted version", "12,345") in beside.facts
    assert not any("admitted" in term for term, _ in alone.facts)
