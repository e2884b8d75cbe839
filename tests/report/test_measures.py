import math

import pytest

from tests.report.builders import THRESHOLD
from tests.report.sweep_builders import one_row, statistics
from xray_gate.report.measures import Measure, measures, number, percent
from xray_gate.report.svg import number_line


def test_a_dotted_key_finds_its_score() -> None:
    (found,) = measures({"renyi_entropy": {"valid": 1.0}}, {"renyi_entropy.valid": THRESHOLD})
    assert (found.score, found.bound, found.beyond) == (1.0, 1.21, True)


def test_scores_without_thresholds_and_thresholds_without_scores_are_kept() -> None:
    found = measures({"ats": {"valid": 0.2}, "rate": 0.5}, {"gone": THRESHOLD})
    assert [(m.key, m.score, m.bound) for m in found] == [
        ("ats.valid", 0.2, None),
        ("rate", 0.5, None),
        ("gone", None, 1.21),
    ]


def test_distributions_and_what_is_no_number_are_left_out() -> None:
    by_label = {str(label): 0.1 for label in range(10)}
    odd = {"a": by_label, "b": [1.0], "c": True, "d": math.inf, "e": 10**5000, "f": "1", "g": None}
    assert measures(odd, {}) == []


@pytest.mark.parametrize("threshold", [None, "low", [1], {}, {"bound": "x"}, {"bound": math.nan}])
def test_a_malformed_threshold_is_none(threshold: object) -> None:
    (found,) = measures({"rate": 0.5}, {"rate": threshold})
    assert (found.bound, found.rule, found.beyond) == (None, "no threshold", None)
    assert number_line(found) == ""


@pytest.mark.parametrize(
    ("side", "score", "beyond"),
    [
        ("below", 0.9, True),
        ("below", 1.0, True),
        ("below", 1.1, False),
        ("above", 0.9, False),
        ("above", 1.0, True),
        ("sideways", 1.0, None),
        (None, 1.0, None),
    ],
)
def test_the_bound_itself_is_suspicious(
    side: str | None, score: float, beyond: bool | None
) -> None:
    assert Measure("x", score, bound=1.0, suspicious=side).beyond is beyond


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (200000, "200,000"),
        (1.21, "1.21"),
        (0.873, "0.873"),
        (1e-7, "1e-07"),
        (2.0, "2"),
        (1e300, "1e+300"),
    ],
)
def test_numbers_are_written_as_people_do(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize("score", [0.0, -3.0, 0.5, 1e-300, 1e300, -1e300])
@pytest.mark.parametrize("side", ["below", "above"])
def test_a_number_line_stays_on_its_canvas(score: float, side: str) -> None:
    drawing = number_line(Measure("ats", score, bound=0.0, suspicious=side))
    marker = drawing.partition('class="score')[2]
    places = [float(part.split('"')[1]) for part in drawing.split(" x=")[1:]]
    assert marker
    assert "inf" not in drawing
    assert "nan" not in drawing
    assert all(0 <= place <= 320 for place in places)


def test_a_score_on_the_suspicious_side_has_another_shape() -> None:
    low = number_line(Measure("ats", 0.1, bound=0.2, suspicious="below"))
    high = number_line(Measure("ats", 0.3, bound=0.2, suspicious="below"))
    assert ("score beyond" in low, "<circle" in low) == (True, False)
    assert ("score beyond" in high, "<circle" in high) == (False, True)


def test_a_rate_is_drawn_up_to_one() -> None:
    assert ">1</text>" in number_line(Measure("flip_rate", 0.2, bound=0.6, suspicious="above"))


@pytest.mark.parametrize(("level", "suspicious"), [(None, True), (0.05, False)])
def test_a_score_at_its_bound_is_read_as_the_policy_reads_it(
    level: float | None, suspicious: bool
) -> None:
    threshold = {"bound": 1.5, "suspicious": "below", "level": level}
    (measure,) = measures({"score": 1.5}, {"score": threshold})
    assert measure.beyond is suspicious
    assert measure.rule == f"suspicious {'at or ' if suspicious else ''}below 1.5"


def test_a_sweep_shows_what_it_found_and_not_how_it_was_made() -> None:
    threshold = {"bound": 0.01, "suspicious": "below", "source": "policy default"}
    found = measures(statistics(detection_limit={"trials": 20}), {"p_value": threshold})
    assert [(m.key, m.rule, m.beyond) for m in found] == [
        ("flip_rate", "allowance 0.5", None),
        ("total_flip_rate", "allowance 0.8", None),
        ("p_value", "suspicious at or below 0.01", True),
        ("excess", "no threshold", None),
    ]


def test_an_allowance_is_that_of_the_trigger_which_reached_the_rate() -> None:
    rows = [
        one_row("source-specific", share=0.97, allowance=0.9),
        one_row(share=0.3, allowance=0.2),
        one_row(share=0.97, allowance=0.6),
    ]
    by_key = {m.key: m for m in measures(statistics(flip_rate=0.97, tested=rows), {})}
    assert by_key["flip_rate"].allowance == 0.6
    assert by_key["total_flip_rate"].allowance is None


@pytest.mark.parametrize("tested", [None, 3, [None], [{"reading": 1}], [one_row(share="x")]])
def test_tests_of_another_shape_give_no_allowance(tested: object) -> None:
    found = measures(statistics(tested=tested), {})
    assert {m.allowance for m in found} == {None}


@pytest.mark.parametrize(("score", "bound"), [(1.0, 0.01), (2e-10, 0.01), (0.0, 0.01), (1.0, 1.0)])
def test_a_p_value_is_drawn_up_to_one_at_most(score: float, bound: float) -> None:
    drawing = number_line(Measure("p_value", score, bound=bound, suspicious="below"))
    end = drawing.partition('text-anchor="end">')[2].partition("<")[0]
    assert 0 < float(end) <= 1


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (0.001, "< 1 %"),
        (0.125, "12 %"),
        (0.97, "97 %"),
        (0.999, "> 99 %"),
        (1.0, "100 %"),
    ],
)
def test_a_share_that_is_nearly_all_or_none_does_not_say_all_or_none(
    share: float, text: str
) -> None:
    assert percent(share) == text


def test_of_a_score_by_label_the_largest_counts_and_lies_on_no_side_by_itself() -> None:
    statistics = {"anomaly_index": [0.5, None, 3.2, "x"], "mask_l1": [1.0, 2.0], "held_back": 50}
    statistics |= {"training_accuracy": 0.9, "training_samples": 400}
    threshold = {"bound": 2.0, "suspicious": "above", "source": "policy default"}
    (found,) = measures(statistics, {"anomaly_index": threshold})
    assert (found.name, found.score) == ("Largest anomaly index", 3.2)
    assert found.rule == "suspicious above 2, not by itself"
    assert found.beyond is None
    assert number_line(found) == ""


@pytest.mark.parametrize("odd", [[], [None], {}, "x", None])
def test_a_score_by_label_without_numbers_is_none(odd: object) -> None:
    (found,) = measures({"anomaly_index": odd}, {"anomaly_index": THRESHOLD})
    assert found.score is None


def test_how_planes_were_sampled_is_no_score() -> None:
    found = measures(
        {"planes_drawn": {"valid": 3}, "sampled": {"share": 0.2}, "ats": {"valid": 0.1}}, {}
    )
    assert len(found) == 1
    assert "ATS" in found[0].name
