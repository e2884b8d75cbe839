import math
from collections.abc import Sequence
from typing import Any

import pytest

from tests.policy.builders import PREPROCESSING, evidence, policy
from xray_gate.core.access import Access
from xray_gate.core.evidence import DetectorEvidence, RunState
from xray_gate.core.verdict import DetectorJudgement, Outcome
from xray_gate.policy.detector_specs import B3DSpec
from xray_gate.policy.judgement import judge

PARAMETERS = {**B3DSpec().settings(), "query_budget": 1000}
CLEAN = [90.0, 100.0, 110.0, 120.0]


def masks(
    sizes: Sequence[float],
    index: Sequence[float] | None = None,
    success: Sequence[float] | None = None,
    reached: Sequence[bool] | None = None,
    **statistics: Any,
) -> DetectorEvidence:
    count = len(sizes)
    return DetectorEvidence(
        "b3d",
        Access.SOFT_LABEL,
        RunState.COMPLETED,
        statistics={
            "mask_l1": list(sizes),
            "anomaly_index": list(index or [0.0] * count),
            "success_rate": list(success or [1.0] * count),
            "reached": list(reached or [True] * count),
            **statistics,
        },
        queries=1000,
        parameters=PARAMETERS,
    )


def judged(found: DetectorEvidence, **settings: Any) -> DetectorJudgement:
    names = ["plane", "car", "bird", "cat"]
    rules = policy(detectors={"b3d": settings}, class_names=names)
    return judge(rules, evidence(found), found)


@pytest.mark.parametrize(
    ("sizes", "index", "outcome"),
    [
        (CLEAN, [1.0, 0.0, -1.0, -2.0], Outcome.PASSED),
        # Under a quarter of the median, whatever the index says.
        ([24.9, 100.0, 100.0, 100.0], [0.0] * 4, Outcome.FAILED),
        ([25.0, 100.0, 100.0, 100.0], [0.0] * 4, Outcome.PASSED),
        ([25.0, 100.0, 100.0, 100.0], [9.0, 0, 0, 0], Outcome.PASSED),
    ],
)
def test_a_mask_far_smaller_than_the_others_fails(
    sizes: list[float], index: list[float], outcome: Outcome
) -> None:
    assert judged(masks(sizes, index)).outcome is outcome


@pytest.mark.parametrize(
    ("size", "index", "outcome"),
    [(49.9, 2.01, Outcome.FAILED), (49.9, 2.0, Outcome.PASSED), (50.0, 9.0, Outcome.PASSED)],
)
def test_a_policy_may_let_the_index_count_for_masks_under_a_share_of_the_median(
    size: float, index: float, outcome: Outcome
) -> None:
    found = judged(masks([size, 100.0, 100.0, 100.0], [index, 0, 0, 0]), at_most_of_median=0.5)
    assert found.outcome is outcome
    assert "or under 50% with an index above 2)" in str(found.reason)


def test_the_bounds_are_the_policys() -> None:
    found = masks([70.0, 100.0, 100.0, 100.0], [2.5, 0, 0, 0])
    assert judged(found).outcome is Outcome.PASSED
    assert judged(found, at_most_of_median=1.0).outcome is Outcome.FAILED
    assert judged(found, at_most_of_median=1.0, index=3).outcome is Outcome.PASSED
    assert judged(found, share_of_median=0.8).outcome is Outcome.FAILED
    assert judged(found, index=3).thresholds == {
        "anomaly_index": {"bound": 3.0, "suspicious": "above", "source": "policy images"}
    }


def test_the_reason_names_the_trigger_its_effect_and_the_bounds() -> None:
    found = judged(masks([100.0, 5.5, 100.0, 110.0], [0, 8.1, 0, 0], [1, 0.98, 1, 1]))
    assert found.reason == (
        "a reversed trigger of 5.5 pixels sends 98% of the held-back images to label 1 (car) "
        "(median of the labels: 100.0 pixels; largest anomaly index: 8.1; too small is under 25% "
        "of the median)"
    )
    found = judged(masks(CLEAN))
    assert str(found.reason).startswith(
        "no label's reversed trigger is far smaller than the others' (smallest: 90.0 pixels for "
        "label 0 (plane); median"
    )


def test_all_infected_labels_are_named_smallest_first() -> None:
    found = judged(masks([100.0, 5.5, 3.0, 110.0]))
    assert str(found.reason).index("label 2 (bird)") < str(found.reason).index("label 1 (car)")


@pytest.mark.parametrize(
    ("success", "outcome"), [(0.75, Outcome.FAILED), (0.74, Outcome.INCONCLUSIVE)]
)
def test_a_small_trigger_that_does_not_carry_over_is_no_pass(
    success: float, outcome: Outcome
) -> None:
    found = judged(masks([3.0, 100.0, 100.0, 100.0], success=[success, 1, 1, 1]))
    assert found.outcome is outcome
    if outcome is Outcome.INCONCLUSIVE:
        assert "moves only 74% of the held-back images" in str(found.reason)
        assert "give more probes" in str(found.reason)


def test_masks_that_reached_nothing_do_not_stand_out_and_too_many_are_no_pass() -> None:
    small = [3.0, 100.0, 100.0, 100.0]
    assert judged(masks(small, reached=[False, True, True, True])).outcome is Outcome.PASSED
    found = judged(masks(CLEAN, reached=[True, False, False, False]))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.reason == (
        "a trigger was found for 1 of 4 labels only, too few to compare; raise iterations"
    )


@pytest.mark.parametrize(
    "broken",
    [
        {"mask_l1": [math.nan, 1.0, 1.0, 1.0]},
        {"mask_l1": [-1.0, 1.0, 1.0, 1.0]},
        {"mask_l1": [1.0, 1.0]},
        {"mask_l1": []},
        {"mask_l1": None},
        {"anomaly_index": [math.inf, 0.0, 0.0, 0.0]},
        {"anomaly_index": "0000"},
        {"success_rate": [1.5, 1.0, 1.0, 1.0]},
        {"success_rate": [True, 1.0, 1.0, 1.0]},
        {"reached": [1, 1, 1, 1]},
        {"reached": [True]},
    ],
)
def test_statistics_of_another_kind_cannot_be_judged(broken: dict[str, Any]) -> None:
    found = judged(masks(CLEAN, **broken))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "the evidence cannot be used" in str(found.reason)


@pytest.mark.parametrize("missing", ["mask_l1", "anomaly_index", "success_rate", "reached"])
def test_missing_statistics_cannot_be_judged(missing: str) -> None:
    found = masks(CLEAN)
    del found.statistics[missing]  # type: ignore[attr-defined]
    assert judged(found).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("sizes", [[90.0, 100.0, 110.0], [90.0, 100.0, 110.0, 120.0, 130.0]])
def test_as_many_masks_as_the_model_has_labels_are_needed(sizes: list[float]) -> None:
    found = judged(masks(sizes))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert f"holds {len(sizes)} masks, and the model knows 4 labels" in str(found.reason)


@pytest.mark.parametrize("setting", [{"iterations": 301}, {"batch": 64}, {"images": "synthetic"}])
def test_evidence_of_other_settings_cannot_be_judged(setting: dict[str, Any]) -> None:
    found = judged(masks(CLEAN), **setting)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "the scan was not made as the policy images says" in str(found.reason)


def test_bounds_are_no_settings_of_the_scan() -> None:
    assert not {"index", "share_of_median", "at_most_of_median", "least_success", "mode"} & set(
        B3DSpec().settings()
    )
    assert evidence().environment["preprocessing"] == PREPROCESSING
