import math
from typing import Any

import pytest

from tests.policy.builders import (
    ARCHITECTURE,
    PREPROCESSING,
    SCORES,
    calibrated,
    calibration,
    evidence,
    fixed,
    labelled,
    policy,
    xray,
)
from xray_gate.core.evidence import ModelFacts
from xray_gate.core.verdict import DetectorJudgement, Outcome
from xray_gate.policy.calibration import Calibration
from xray_gate.policy.judgement import judge

ENTROPY = "renyi_entropy.valid"
EXCHANGEABLE = "of clean models exchangeable with these"


def against_number(score: Any, rule: Any, **changes: Any) -> DetectorJudgement:
    found = xray({ENTROPY: score})
    return judge(policy([rule], **changes), evidence(found), found)


def against_references(
    score: Any, rule: Any = None, kept: Calibration | None = None, **changes: Any
) -> DetectorJudgement:
    found = xray({ENTROPY: score})
    rules = policy(rule or calibrated(), kept or calibration())
    return judge(rules, evidence(found, **changes), found)


@pytest.mark.parametrize(
    ("side", "score", "outcome"),
    [
        ("below", 1.01, Outcome.PASSED),
        ("below", 1.0, Outcome.FAILED),
        ("below", 0.99, Outcome.FAILED),
        ("above", 0.99, Outcome.PASSED),
        ("above", 1.0, Outcome.FAILED),
        ("above", 1.01, Outcome.FAILED),
        ("below", 1, Outcome.FAILED),
    ],
)
def test_a_fixed_bound_is_itself_on_the_suspicious_side(
    side: str, score: float, outcome: Outcome
) -> None:
    found = against_number(score, fixed(1.0, side))
    assert found.outcome is outcome
    assert found.thresholds[ENTROPY] == {
        "bound": 1.0,
        "suspicious": side,
        "source": "table 1 of a paper",
    }


def test_a_failure_says_score_bound_source_and_label() -> None:
    found = against_number(0.5, fixed(1.0), class_names=["cat", "dog", "bird"])
    assert found.reason == (
        "renyi_entropy.valid 0.500 is beyond 1.000 (table 1 of a paper); "
        "suspected target label 2 (bird), 70% of the planes"
    )


@pytest.mark.parametrize("names", [None, ["cat", "dog"]])
def test_a_label_without_a_name_is_a_number(names: list[str] | None) -> None:
    found = against_number(0.5, fixed(1.0), class_names=names)
    assert found.reason is not None
    assert found.reason.endswith("suspected target label 2, 70% of the planes")


def test_a_failure_says_when_no_label_stands_out() -> None:
    found = xray({ENTROPY: 0.5}, suspected_labels=())
    reason = judge(policy([fixed(1.0)]), evidence(found), found).reason
    assert reason is not None
    assert reason.endswith("; no label stands out")


@pytest.mark.parametrize(
    "score", [math.nan, math.inf, -math.inf, 10**400, None, "1.5", True, [1.0]]
)
@pytest.mark.parametrize("side", ["below", "above"])
def test_what_is_no_finite_number_is_inconclusive(score: Any, side: str) -> None:
    for found in (
        against_number(score, fixed(1.0, side)),
        against_references(score, calibrated(suspicious={ENTROPY: side})),
    ):
        assert found.outcome is Outcome.INCONCLUSIVE
        assert found.reason is not None
        assert f"no number for {ENTROPY}; scan again" in found.reason


@pytest.mark.parametrize(
    "statistics", [{}, {"renyi_entropy": {}}, {"renyi_entropy": 2.0}, None, [], "renyi_entropy"]
)
def test_a_missing_score_is_inconclusive(statistics: Any) -> None:
    found = xray(statistics=statistics)
    judged = judge(policy([fixed(1.0)]), evidence(found), found)
    assert judged.outcome is Outcome.INCONCLUSIVE


def test_one_missing_score_is_not_made_up_for_by_another() -> None:
    found = xray({"ats.valid": math.nan, ENTROPY: 9.0})
    rules = policy([fixed(1.0), fixed(0.1, statistic="ats.valid")])
    assert judge(rules, evidence(found), found).outcome is Outcome.INCONCLUSIVE


def test_one_of_several_bounds_is_enough_to_fail() -> None:
    found = xray({ENTROPY: 9.0, "ats.valid": 0.05})
    rules = policy([fixed(1.0), fixed(0.1, statistic="ats.valid")])
    judged = judge(rules, evidence(found), found)
    assert judged.outcome is Outcome.FAILED
    assert judged.reason is not None
    assert "ats.valid" in judged.reason
    assert "renyi_entropy" not in judged.reason
    assert set(judged.thresholds) == {ENTROPY, "ats.valid"}


@pytest.mark.parametrize("thresholds", [None, []])
def test_without_thresholds_scores_decide_nothing(thresholds: Any) -> None:
    found = xray()
    judged = judge(policy(thresholds), evidence(found), found)
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert judged.reason is not None
    assert "calibrate on clean models" in judged.reason


@pytest.mark.parametrize(
    ("score", "outcome", "p"),
    [(0.5, Outcome.FAILED, 0.05), (1.0, Outcome.PASSED, 0.1), (30.0, Outcome.PASSED, 1.0)],
)
def test_a_calibrated_score_is_judged_by_its_rank(score: float, outcome: Outcome, p: float) -> None:
    judged = against_references(score)
    assert judged.outcome is outcome
    assert judged.thresholds[ENTROPY] == {
        "bound": 1.0,
        "suspicious": "below",
        "level": 0.05,
        "p_value": pytest.approx(p),
        "source": "calibration small (19 clean references, 2026-11-21)",
        "meaning": f"{EXCHANGEABLE} 19 references at most 5 % are refused",
    }


def test_a_calibrated_failure_says_how_unusual_the_score_is() -> None:
    reason = against_references(0.5).reason
    assert reason is not None
    assert reason.startswith(
        "renyi_entropy.valid 0.500 lies beyond 19 of 19 clean references (p = 0.050, level 0.05)"
    )


def test_a_large_share_of_one_label_is_suspicious_by_default() -> None:
    kept = calibration([0.1] * 19, "largest_share.valid")
    found = xray({"largest_share.valid": 0.9})
    rules = policy(calibrated("largest_share.valid"), kept)
    judged = judge(rules, evidence(found), found)
    assert judged.outcome is Outcome.FAILED
    assert judged.thresholds["largest_share.valid"]["suspicious"] == "above"


@pytest.mark.parametrize(
    ("score", "outcome", "p"),
    [
        (0.5, Outcome.FAILED, 0.05),
        (40.0, Outcome.FAILED, 0.05),
        (1.0, Outcome.PASSED, 0.1),
        (20.0, Outcome.PASSED, 1.0),
    ],
)
def test_both_sides_are_judged_at_half_the_level(score: float, outcome: Outcome, p: float) -> None:
    rule = calibrated(suspicious={ENTROPY: "both"})
    judged = against_references(score, rule, calibration(range(1, 40)))
    assert judged.outcome is outcome
    threshold = judged.thresholds[ENTROPY]
    assert threshold["p_value"] == pytest.approx(p)
    assert (threshold["bound"], threshold["upper_bound"]) == (1.0, 39.0)
    assert (threshold["p_value"] <= threshold["level"]) == (outcome is Outcome.FAILED)


def test_the_level_is_shared_out_over_the_statistics() -> None:
    rule = calibrated(ENTROPY, "ats.valid")
    assert against_references(0.5, rule).outcome is Outcome.INCONCLUSIVE
    judged = against_references(0.5, rule, calibration(range(1, 40)))
    assert judged.outcome is Outcome.FAILED
    assert judged.thresholds[ENTROPY]["level"] == 0.025


@pytest.mark.parametrize(
    ("rule", "held", "needed"),
    [
        (calibrated(), 18, 19),
        (calibrated(level=0.01), 98, 99),
        (calibrated(ENTROPY, "ats.valid"), 38, 39),
        (calibrated(suspicious={ENTROPY: "both"}), 38, 39),
    ],
)
def test_too_few_references_are_inconclusive_and_say_how_many_it_takes(
    rule: Any, held: int, needed: int
) -> None:
    judged = against_references(-9.0, rule, calibration(range(held)))
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert judged.reason is not None
    assert f"has {held} clean references of this architecture, too few" in judged.reason
    assert f"which takes {needed}; calibrate on more models" in judged.reason
    enough = against_references(-9.0, rule, calibration(range(needed)))
    assert enough.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 4}, "seed is 4, the calibration's 3"),
        ({"environment": {}}, "preprocessing was None, and the policy says {"),
        ({"probes": None}, "the calibration or the probes are missing"),
        (
            {"model": ModelFacts("m", "sha256:m", "onnx", 4, "sha256:kind-b")},
            "architecture is none of those in the calibration small",
        ),
        (
            {"model": ModelFacts("m", "sha256:m", "onnx", 4, None)},
            "architecture is none of those in the calibration small",
        ),
    ],
)
def test_a_scan_made_otherwise_than_its_calibration_is_inconclusive(
    changes: dict[str, Any], said: str
) -> None:
    judged = against_references(9.0, **changes)
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert judged.reason is not None
    assert said in judged.reason


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"probes_sha256": "sha256:others"}, "probes_sha256 is 'sha256:probes'"),
        ({"parameters": {}}, "parameters.planes is 2, and the calibration has none"),
    ],
)
def test_a_calibration_made_otherwise_than_the_scan_is_inconclusive(
    changes: dict[str, Any], said: str
) -> None:
    judged = against_references(9.0, kept=calibration(**changes))
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert judged.reason is not None
    assert said in judged.reason
    assert judged.reason.endswith("scan with the calibration's settings or calibrate anew")


def test_a_policy_without_its_calibration_is_inconclusive() -> None:
    found = xray()
    judged = judge(policy(calibrated(), None), evidence(found), found)
    assert judged.outcome is Outcome.INCONCLUSIVE


def test_a_calibration_without_the_statistic_is_inconclusive() -> None:
    kept = calibration()
    bare = {key: value for key, value in SCORES.items() if key != ENTROPY}
    lacking = [*kept.references[:-1], kept.references[-1].model_copy(update={"scores": bare})]
    judged = against_references(9.0, kept=kept.model_copy(update={"references": lacking}))
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert judged.reason is not None
    assert f"has no scores for {ENTROPY}; calibrate anew" in judged.reason


OTHER = ModelFacts("m", "sha256:m", "onnx", 4, "sha256:kind-b")


def mixed(own: int, foreign: int) -> Calibration:
    """References of the model's architecture with scores from 1, of another one from 101."""
    scores = [*range(1, own + 1), *range(101, foreign + 101)]
    kept = calibration(scores)
    references = [
        reference.model_copy(
            update={"architecture": ARCHITECTURE if number < own else "sha256:kind-b"}
        )
        for number, reference in enumerate(kept.references)
    ]
    return kept.model_copy(update={"references": references})


def test_only_references_of_the_models_own_architecture_count() -> None:
    assert against_references(50.0, kept=mixed(19, 19)).outcome is Outcome.PASSED
    assert against_references(50.0, kept=mixed(19, 19), model=OTHER).outcome is Outcome.FAILED
    few = against_references(0.0, kept=mixed(3, 30))
    assert few.outcome is Outcome.INCONCLUSIVE
    assert few.reason is not None
    assert "has 3 clean references of this architecture, too few" in few.reason


def test_an_unknown_architecture_is_like_no_other_unknown_one() -> None:
    kept = calibration()
    unknown = [item.model_copy(update={"architecture": None}) for item in kept.references]
    judged = against_references(
        9.0,
        kept=kept.model_copy(update={"references": unknown}),
        model=ModelFacts("m", "sha256:m", "mlflow-pyfunc", 4, None),
    )
    assert judged.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("architecture", ["sha256:kind-c", None])
def test_unsafe_any_architecture_compares_with_all_references(architecture: str | None) -> None:
    rule = calibrated(unsafe_any_architecture=True)
    model = ModelFacts("m", "sha256:m", "onnx", 4, architecture)
    judged = against_references(1.5, rule, mixed(10, 10), model=model)
    assert judged.outcome is Outcome.PASSED
    assert judged.thresholds[ENTROPY]["p_value"] == pytest.approx(2 / 21)


def test_a_calibration_with_another_preprocessing_is_not_used() -> None:
    other = calibration(preprocessing={**PREPROCESSING, "scale": 255.0})
    judged = against_references(9.0, calibrated(), other)
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert "preprocessing.scale is 1.0, the calibration's 255.0" in str(judged.reason)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model_xray": {"planes": 3}}, "planes was 2, and the policy says 3"),
        ({"model_xray": {"size": 11}}, "size was 10, and the policy says 11"),
        ({"model_xray": {"alpha": 2}}, "alpha was 10.0, and the policy says 2.0"),
        ({"model_xray": {"pixel_ranges": ["valid"]}}, "pixel_ranges was"),
        ({"preprocessing": {"scale": 255}}, "preprocessing was"),
        ({"classes": 7}, "classes was 4, and the policy says 7"),
    ],
)
def test_evidence_of_another_policy_is_inconclusive_under_a_fixed_bound(
    settings: dict[str, Any], said: str
) -> None:
    strict = policy([fixed(-1.0)], **settings)
    judged = judge(strict, evidence(xray()), xray())
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert said in str(judged.reason)
    assert judge(policy([fixed(-1.0)]), evidence(xray()), xray()).outcome is Outcome.PASSED


def test_several_scores_are_promised_for_one_by_one_and_together() -> None:
    rule = calibrated(ENTROPY, "ats.valid", level=0.1)
    judged = against_references(30.0, rule, calibration(range(1, 20)))
    assert judged.reason == (
        "no score is beyond its bound (renyi_entropy.valid, p = 1.000, ats.valid, p = 1.000); "
        f"{EXCHANGEABLE} 19 references at most 10 % are refused"
    )
    meanings = {threshold["meaning"] for threshold in judged.thresholds.values()}
    assert meanings == {f"{EXCHANGEABLE} 19 references at most 5 % are refused"}


def test_the_promise_is_that_of_the_models_own_family() -> None:
    judged = against_references(50.0, kept=mixed(19, 30), model=OTHER)
    assert f"{EXCHANGEABLE} 30 references at most 5 % are refused" in str(judged.reason)
    assert "(30 clean references, " in judged.thresholds[ENTROPY]["source"]


def test_backdoored_references_do_not_move_a_conformal_bound() -> None:
    both = labelled(range(1, 20), {"badnets": [-3.0] * 30})
    for score in (0.5, 1.0):
        clean = against_references(score)
        judged = against_references(score, kept=both)
        assert judged.outcome is clean.outcome
        for key in ("bound", "p_value", "meaning"):
            assert judged.thresholds[ENTROPY][key] == clean.thresholds[ENTROPY][key]
    few = against_references(0.5, kept=labelled(range(1, 19), {"badnets": [-3.0] * 30}))
    assert "has 18 clean references of this architecture, too few" in str(few.reason)


@pytest.mark.parametrize("score", [0.5, 30.0])
def test_other_versions_are_told_and_decide_nothing(score: float) -> None:
    told = {"preprocessing": PREPROCESSING, "xray_gate": "0.2.0"}
    judged = against_references(score, environment=told)
    assert judged.outcome is against_references(score).outcome
    assert str(judged.reason).endswith("; scanned with xray_gate 0.2.0, the references 0.1.0")


BY_F1 = calibrated(method="f1")
LABELLED = labelled([3.0, 5.0, 7.0, 9.0], {"badnets": [1.0, 2.0], "wanet": [1.0, 4.0]})


@pytest.mark.parametrize(
    ("score", "outcome"),
    # The best of badnets is 2.5, and of wanet 4.5, which refuses a clean one to find both.
    [(3.4, Outcome.FAILED), (3.5, Outcome.FAILED), (3.6, Outcome.PASSED)],
)
def test_by_f1_a_score_is_held_against_the_mean_over_the_groups(
    score: float, outcome: Outcome
) -> None:
    judged = against_references(score, BY_F1, LABELLED)
    assert judged.outcome is outcome
    threshold = judged.thresholds[ENTROPY]
    assert (threshold["bound"], threshold["suspicious"]) == (3.5, "below")
    assert threshold["source"] == (
        "calibration small (4 clean and 4 backdoored references, 2026-11-21)"
    )
    assert threshold["meaning"] == (
        "Eq. 6: the mean, over 2 group(s) of backdoored references (badnets, wanet), of the "
        "threshold with the highest F1; no false-positive rate is promised: 1 of the 4 clean "
        "references refused (25.0 %, 95 % interval 0.6 to 80.6 %)"
    )
    assert "p_value" not in threshold
    assert "level" not in threshold


@pytest.mark.parametrize("score", [3.0, 9.0])
def test_by_f1_the_reason_says_that_nothing_is_promised(score: float) -> None:
    reason = str(against_references(score, BY_F1, LABELLED).reason)
    assert reason.endswith(
        "; these thresholds promise no false-positive rate: 1 of the 4 clean references "
        "refused (25.0 %, 95 % interval 0.6 to 80.6 %)"
    )
    assert ("renyi_entropy.valid 3.000 is beyond 3.500 (Eq. 6 on small" in reason) == (score < 3.5)


@pytest.mark.parametrize("method", ["f1", "conformal"])
def test_a_reference_with_a_backdoor_fails_whatever_its_scores_are(method: str) -> None:
    kept = labelled(range(1, 20), {"badnets": [1.0]})
    model = ModelFacts("m", "sha256:badnets-0", "onnx", 4, ARCHITECTURE)
    judged = against_references(30.0, calibrated(method=method), kept, model=model)
    assert judged.outcome is Outcome.FAILED
    assert judged.reason == (
        "its files are those of badnets_0, a reference with a backdoor (badnets)"
    )


def test_a_clean_reference_is_judged_and_said_to_be_one() -> None:
    model = ModelFacts("m", "sha256:3", "onnx", 4, ARCHITECTURE)
    judged = against_references(4.0, model=model)
    assert judged.outcome is Outcome.PASSED
    assert str(judged.reason).endswith(
        "; the model is one of the references itself (clean_3), so its score says little"
    )


def test_by_f1_a_large_share_is_suspicious_and_any_score_is_enough() -> None:
    kept = labelled([0.2, 0.3], {"badnets": [0.8]}, statistic="largest_share.valid")
    rule = calibrated("largest_share.valid", ENTROPY, method="f1")
    found = xray({"largest_share.valid": 0.6, ENTROPY: 9.0})
    judged = judge(policy(rule, kept), evidence(found), found)
    assert judged.outcome is Outcome.FAILED
    assert judged.thresholds["largest_share.valid"]["bound"] == pytest.approx(0.55)
    # All references have the same entropy, so everything up to it is infected.
    assert judged.thresholds[ENTROPY]["bound"] == 1.0
    assert "2 of the 2 clean references refused (100.0 %" in str(judged.reason)


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (calibration(), "has 19 clean and 0 backdoored references of this architecture"),
        (
            calibration(
                references=[
                    item.model_dump()
                    for item in labelled([1.0], {"badnets": [0.5]}).references
                    if item.group
                ]
            ),
            "has 0 clean and 1 backdoored references of this architecture",
        ),
    ],
)
def test_by_f1_both_kinds_of_references_are_needed(kept: Calibration, said: str) -> None:
    judged = against_references(9.0, BY_F1, kept)
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert f"{said}, and method f1 takes both; calibrate on both" in str(judged.reason)
