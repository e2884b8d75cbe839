import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.policy.builders import evidence, policy
from xray_gate.core.access import Access
from xray_gate.core.evidence import DetectorEvidence, RunState
from xray_gate.core.verdict import DetectorJudgement, Outcome
from xray_gate.policy.detector_specs import DTInspectorSpec
from xray_gate.policy.judgement import judge

NAMES = ["plane", "car", "bird", "cat"]
HIGH = [0.98, 1.0, 0.96, 0.9]


def ratios(
    transfer: Sequence[float | None],
    index: Sequence[float | None] | None = None,
    fitted: Sequence[float | None] | None = None,
    **statistics: Any,
) -> DetectorEvidence:
    present = [None if ratio is None else 0.0 for ratio in transfer]
    return DetectorEvidence(
        "dtinspector",
        Access.SOFT_LABEL,
        RunState.COMPLETED,
        statistics={
            "transfer_ratio": list(transfer),
            "anomaly_index": list(index or present),
            "fitted_ratio": list(fitted or [None if p is None else 0.97 for p in present]),
            "held_back_ratio": [None if p is None else 0.95 for p in present],
            **statistics,
        },
        queries=1000,
        parameters={**DTInspectorSpec().settings(), "query_budget": 1000},
    )


def judged(found: DetectorEvidence, **settings: Any) -> DetectorJudgement:
    rules = policy(detectors={"dtinspector": settings}, class_names=NAMES)
    return judge(rules, evidence(found), found)


@pytest.mark.parametrize(
    ("transfer", "index", "outcome"),
    [
        (HIGH, [0.0] * 4, Outcome.PASSED),
        ([0.98, 0.3, 0.96, 0.95], [0, 3.51, 0, 0], Outcome.FAILED),
        ([0.98, 0.3, 0.96, 0.95], [0, 3.5, 0, 0], Outcome.PASSED),
        # All above .9: clean, whatever the index.
        ([0.98, 0.91, 1.0, 1.0], [0, 50.0, 0, 0], Outcome.PASSED),
        ([0.98, 0.7, 0.9, 1.0], [0, 50.0, 0, 0], Outcome.FAILED),
        # The patch does hardly more to other confident samples.
        ([0.98, 0.71, 0.9, 1.0], [0, 50.0, 0, 0], Outcome.INCONCLUSIVE),
    ],
)
def test_an_abnormally_low_ratio_fails(
    transfer: list[float], index: list[float], outcome: Outcome
) -> None:
    assert judged(ratios(transfer, index)).outcome is outcome


def test_the_bounds_are_the_policys() -> None:
    found = ratios([0.98, 0.6, 0.96, 0.95], [0, 4.0, 0, 0])
    assert judged(found).outcome is Outcome.FAILED
    assert judged(found, index=4).outcome is Outcome.PASSED
    assert judged(found, clean_above=0.5).outcome is Outcome.PASSED
    assert judged(found, least_gap=0.4).outcome is Outcome.INCONCLUSIVE
    assert judged(found, index=2).thresholds == {
        "anomaly_index": {"bound": 2.0, "suspicious": "above", "source": "policy images"}
    }


def test_the_reason_says_what_was_seen() -> None:
    found = judged(ratios([0.98, 0.3, 0.96, 0.95], [0, 8.25, 0, 0]))
    assert found.reason == (
        "a patch that changes 97% of the training samples that the model most confidently calls "
        "1 (car), and 95% of others like them, changes 30% of the least confident ones, index 8.2: "
        "the confident ones probably carry a trigger (index above 3.5)"
    )
    assert judged(ratios(HIGH)).reason == (
        "patches learned on confident training samples carry over to the others (lowest: 90% for "
        "label 3 (cat), index 0.0, threshold 3.5)"
    )


def test_a_label_that_stands_out_by_a_patch_of_its_own_samples_is_neither() -> None:
    found = judged(ratios([0.98, 0.75, 0.96, 0.95], [0, 6.0, 0, 0]))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.reason == (
        "label 1 (car) stands out (index 6.0), but its patch changes 95% of other confident "
        "samples and 75% of unconfident ones, less than least_gap 25% apart: it was fitted to its "
        "own samples, and nothing follows from it; give more training data, or raise samples"
    )


def test_all_infected_labels_are_named_the_most_abnormal_first() -> None:
    found = judged(ratios([0.2, 0.1, 0.96, 0.95], [5.0, 9.0, 0, 0]))
    assert str(found.reason).index("1 (car)") < str(found.reason).index("0 (plane)")


def test_a_pass_names_what_was_not_looked_at() -> None:
    found = ratios([0.98, None, 0.96, 0.95, 1.0])
    rules = policy(detectors={"dtinspector": {}}, class_names=NAMES)
    model = replace(evidence().model, classes=5)
    said = judge(rules, evidence(found, model=model), found)
    assert said.outcome is Outcome.PASSED
    assert str(said.reason).endswith("; not looked at: 1 labels with too few training samples")


def test_too_few_labels_are_no_pass() -> None:
    found = judged(ratios([0.98, None, 0.96, 0.95]))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "3 of 4 labels were tested, and the policy asks for 4" in str(found.reason)


def test_patches_that_were_not_learned_are_no_pass() -> None:
    found = judged(ratios(HIGH, fitted=[0.95, 0.4, 0.9, 0.9]))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "it changes 40% of the confident samples" in str(found.reason)
    # Nothing follows from a low transfer ratio of a patch that was not learned.
    found = judged(ratios([0.98, 0.3, 1.0, 1.0], [0, 9.0, 0, 0], fitted=[0.95, 0.4, 0.9, 0.9]))
    assert found.outcome is Outcome.INCONCLUSIVE
    # What was found is not excused by it.
    low = ratios([0.1, 1.0, 1.0, 1.0], [9.0, 0, 0, 0], fitted=[0.95, 0.4, 0.9, 0.9])
    assert judged(low).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    "broken",
    [
        {"transfer_ratio": [math.nan, 1.0, 1.0, 1.0]},
        {"transfer_ratio": [1.5, 1.0, 1.0, 1.0]},
        {"transfer_ratio": []},
        {"transfer_ratio": [None, 1.0, 1.0, 1.0]},
        {"anomaly_index": [math.inf, 0.0, 0.0, 0.0]},
        {"anomaly_index": [0.0]},
        {"fitted_ratio": [True, 1.0, 1.0, 1.0]},
        {"fitted_ratio": None},
        {"held_back_ratio": [None, 1.0, 1.0, 1.0]},
        {"held_back_ratio": None},
    ],
)
def test_statistics_of_another_kind_cannot_be_judged(broken: dict[str, Any]) -> None:
    found = judged(ratios(HIGH, **broken))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "the evidence cannot be used" in str(found.reason)


@pytest.mark.parametrize("count", [3, 5])
def test_as_many_ratios_as_the_model_has_labels_are_needed(count: int) -> None:
    found = judged(ratios([1.0] * count))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert f"holds {count} ratios, and the model knows 4 labels" in str(found.reason)


def test_evidence_of_other_settings_cannot_be_judged() -> None:
    found = judged(ratios(HIGH), samples=60)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "the scan was not made as the policy images says" in str(found.reason)
