from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.builders import calibrated, calibration, labelled
from xray_gate.policy.conformal import conformal_bound
from xray_gate.policy.sufficiency import Demand, reach, same_scores, shortfalls
from xray_gate.policy.xray_statistics import Side
from xray_gate.policy.xray_thresholds import CalibratedBounds

ENTROPY, AREAS = "renyi_entropy.valid", "ats.valid"


def rule(*statistics: str, **changes: Any) -> CalibratedBounds:
    return CalibratedBounds.model_validate(calibrated(*statistics, **changes))


@given(st.integers(1, 3), st.sampled_from([1, 2]), st.integers(0, 3000))
def test_the_lowest_level_is_the_lowest_that_gives_a_bound(
    statistics: int, sides: int, count: int
) -> None:
    """As the rule judges: the level over the statistics, half of it on each of two sides."""
    demand = Demand(statistics, sides)
    side: Side = "both" if sides == 2 else "below"
    lowest = demand.lowest_level(count)
    scores = [0.0] * count
    if lowest is None:
        assert conformal_bound(scores, 0.9999 / statistics, side) is None
        return
    assert demand.references(lowest) <= count
    assert conformal_bound(scores, lowest / statistics, side) is not None
    assert lowest < 0.0002 or conformal_bound(scores, (lowest - 2e-4) / statistics, side) is None


@pytest.mark.parametrize(
    ("asked", "level", "needed"),
    [
        (None, 0.05, 19),
        (rule(), 0.05, 19),
        (rule(), 0.01, 99),
        (rule(ENTROPY, AREAS), 0.05, 39),
        (rule(suspicious={ENTROPY: "both"}), 0.05, 39),
        (rule(ENTROPY, AREAS, suspicious={AREAS: "both"}), 0.05, 79),
        # A side that is set for a statistic which is not judged takes nothing.
        (rule(suspicious={AREAS: "both"}), 0.05, 19),
    ],
)
def test_a_level_takes_more_references_for_more_scores_and_sides(
    asked: CalibratedBounds | None, level: float, needed: int
) -> None:
    assert shortfalls(asked, calibration(range(needed)).references, level) == []
    (found,) = shortfalls(asked, calibration(range(needed - 1)).references, level)
    assert f"has {needed - 1} clean references, and level {level:g}" in found
    assert f"takes {needed}; calibrate on more clean models of this family" in found


def test_backdoored_references_do_not_count_for_a_level() -> None:
    kept = labelled(range(18), {"badnets": [1.0] * 9})
    (found,) = shortfalls(rule(), kept.references, 0.05)
    assert "has 18 clean references" in found


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (None, "19 clean, 2 badnets, 1 wanet; the clean ones reach level 0.05 and above for 1 sco"),
        (rule(ENTROPY, AREAS), "the clean ones reach level 0.1 and above for 2 scores"),
        (rule(suspicious={ENTROPY: "both"}), "level 0.1 and above for 1 score, on both sides"),
        (rule(method="f1"), "judged by method f1, which promises no level"),
    ],
)
def test_what_references_can_be_used_for_is_said_for_each_family(
    asked: CalibratedBounds | None, said: str
) -> None:
    kept = labelled(range(19), {"badnets": [1.0, 2.0], "wanet": [1.0]})
    other = kept.references[0].model_copy(update={"architecture": "sha256:b", "name": "odd"})
    first, second = reach(asked, [*kept.references, other])
    assert first.startswith(
        "family sha256:kind-a (clean_0, clean_1, ...): 19 clean, 2 badnets, 1 w"
    )
    assert said in first
    assert second.startswith("family sha256:b (odd): 1 clean; ")


def test_references_of_one_attack_alone_reach_no_level() -> None:
    attacked = labelled([1.0], {"badnets": [0.5]}).references[1:]
    (said,) = reach(rule(), attacked)
    assert said.endswith("0 clean, 1 badnets; the clean ones reach no level for 1 score")


def test_an_unknown_architecture_is_told_unless_the_policy_compares_all() -> None:
    unknown = [
        item.model_copy(update={"architecture": None}) for item in calibration(range(19)).references
    ]
    (said,) = reach(rule(), unknown)
    assert said.endswith("they show no architecture, so that no scan is held against them")
    (found,) = shortfalls(rule(), unknown, 0.05)
    assert "does not show its architecture" in found
    assert shortfalls(rule(unsafe_any_architecture=True), unknown, 0.05) == []


def test_clean_references_that_agree_in_everything_are_named() -> None:
    kept = labelled([1.0, 2.0, 1.0, 3.0], {"badnets": [2.0]}).references
    (found,) = same_scores(kept)
    assert found.startswith("clean_0, clean_2 have the same scores in everything; ")
    other = kept[2].model_copy(update={"architecture": "sha256:kind-b"})
    assert same_scores([*kept[:2], other]) == []
