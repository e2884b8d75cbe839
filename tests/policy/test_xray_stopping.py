"""When enough planes are drawn, and what a judgement makes of a scan that stopped early."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.policy.builders import (
    PARAMETERS,
    calibrated,
    calibration,
    evidence,
    fixed,
    policy,
    xray,
)
from xray_gate.core.evidence import DetectorEvidence, ModelFacts
from xray_gate.core.verdict import Outcome
from xray_gate.policy.judgement import judge
from xray_gate.policy.rule import CannotJudge
from xray_gate.policy.xray_rule import stopping_of
from xray_gate.policy.xray_stopping import XrayStopping, why_stopped

ENTROPY, AREAS, HORIZON = "renyi_entropy.valid", "ats.valid", "horizon_agreement.valid"
N = 20
DRAWS = {
    "normal": lambda rng: rng.normal(1.3, 0.45, N).clip(0, 3.3),
    "some planes flooded": lambda rng: np.where(rng.random(N) < 0.3, 0, rng.normal(1.6, 0.3, N)),
    "a few planes flooded": lambda rng: np.where(rng.random(N) < 0.1, 0, rng.normal(1.5, 0.1, N)),
}


def stopping(side: str = "below", bound: float = 1.0, **more: Any) -> XrayStopping:
    threshold = {"bound": bound, "suspicious": side, **more}
    return XrayStopping({ENTROPY: threshold}, planes=N, least=3, error=0.01)


def first_word(rule: XrayStopping, scores: list[float]) -> tuple[int, bool] | None:
    """After how many planes the rule first speaks, and whether it says that the bound is passed."""
    for count in range(rule.least, N, rule.least):
        said = rule.settled({ENTROPY: scores[:count]})
        if said is not None:
            return count, "no judged score" not in said
    return None


@pytest.mark.parametrize("bound", [1.0, 1.2, 1.35])
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_all_planes_say_otherwise_no_more_often_than_promised(
    draw: Callable[[np.random.Generator], Any], bound: float
) -> None:
    rng = np.random.default_rng(7)
    rule, wrong, spoken = stopping(bound=bound), 0, 0
    for _ in range(400):
        scores = draw(rng)
        word = first_word(rule, scores.tolist())
        spoken += word is not None
        wrong += word is not None and word[1] != (scores.mean() < bound)
    assert stats.binomtest(wrong, 400, rule.error, alternative="greater").pvalue > 1e-3
    assert spoken > 20


def test_looking_often_takes_more_certainty() -> None:
    scores = {ENTROPY: [1.6, 1.7, 1.5, 1.4, 1.6, 1.5]}
    assert replace(stopping(bound=1.05), least=6).settled(scores) is not None
    assert replace(stopping(bound=1.05), least=1).settled(scores) is None


def test_a_word_names_the_score_and_the_chance() -> None:
    low, high = [0.1] * 9, [2.5] * 9
    beyond = stopping().settled({ENTROPY: low})
    assert beyond == f"{ENTROPY} of all 20 planes lies beyond its bound, but for a chance of 1 %"
    within = stopping().settled({ENTROPY: high})
    assert within is not None
    assert within.startswith("no judged score of all 20 planes lies beyond its bound")
    assert stopping("above").settled({ENTROPY: high}) is not None
    assert "no judged" in str(stopping("both", upper_bound=5.0).settled({ENTROPY: high}))
    assert "beyond" in str(stopping("both", upper_bound=1.5).settled({ENTROPY: high}))
    assert stopping().settled({ENTROPY: [0.9, 1.1] * 5}) is None


def test_few_planes_that_agree_are_not_believed_at_once() -> None:
    assert stopping().settled({ENTROPY: [1.3, 1.3, 1.3]}) is None
    assert stopping().settled({ENTROPY: [9.0]}) is None


def test_every_judged_score_must_be_settled_for_a_pass_and_one_for_a_refusal() -> None:
    bounds = {name: {"bound": 1.0, "suspicious": "below"} for name in (ENTROPY, AREAS)}
    rule = XrayStopping(bounds, planes=N, least=3, error=0.01)
    high, open_one, low = [2.5] * 9, [0.9, 1.1] * 5, [0.1] * 9
    assert rule.settled({ENTROPY: high, AREAS: open_one}) is None
    assert rule.settled({ENTROPY: high}) is None
    assert rule.settled({ENTROPY: high, AREAS: high}) is not None
    assert AREAS in str(rule.settled({ENTROPY: open_one, AREAS: low}))


def test_a_score_of_all_planes_leaves_no_chance() -> None:
    bounds = {HORIZON: {"bound": 0.5, "suspicious": "above"}}
    rule = XrayStopping(bounds, planes=N, least=3, error=0.01)
    assert "chance" not in str(rule.settled({HORIZON: [0.49] * N}))
    assert rule.settled({HORIZON: [0.49] * (N - 1)}) is None
    assert rule.settled({"largest_share.valid": [0.1] * 9}) is None


def test_nothing_judged_is_worth_no_more_planes() -> None:
    rule = XrayStopping({}, planes=N, least=3, error=0.01)
    assert "no threshold" in str(rule.settled({}))
    assert not rule.judges("valid")
    assert stopping().judges("valid")
    assert not stopping().judges("unclipped")


def test_a_policy_stops_by_its_own_bounds() -> None:
    references = calibration([1 + n / 100 for n in range(19)])
    rules = policy(calibrated(level=0.05), references)
    blank = xray(statistics={})
    found = stopping_of(rules, evidence(blank), blank)
    assert found.thresholds[ENTROPY]["bound"] == pytest.approx(1.0)
    assert (found.planes, found.least, found.error) == (2, 3, 0.01)
    other = evidence(blank, model=ModelFacts("b.onnx", "sha256:model", "onnx", 4, "sha256:kind-b"))
    assert stopping_of(rules, other, blank).thresholds == {}
    assert stopping_of(policy([]), evidence(blank), blank).thresholds == {}
    numbers = stopping_of(policy([fixed(1.0)]), evidence(blank), blank)
    assert numbers.thresholds[ENTROPY]["bound"] == 1.0


def short_scan(values: list[Any], **statistics: Any) -> DetectorEvidence:
    """A scan of 20 planes that drew some of them in the valid range."""
    found = xray({ENTROPY: float(np.mean([v for v in values if isinstance(v, float)] or [1.0]))})
    scores = {
        **found.statistics,
        "per_plane": {"renyi_entropy": {"valid": values}},
        "planes_drawn": {"valid": len(values), "unclipped": 3},
        **statistics,
    }
    return replace(found, statistics=scores, parameters={**PARAMETERS, "planes": N})


def judged(found: DetectorEvidence, bound: float = 1.0) -> Any:
    rules = policy([fixed(bound)], model_xray={"planes": N})
    return judge(rules, evidence(found), found)


def test_a_scan_that_stopped_early_says_so_in_its_reason() -> None:
    passed, failed = judged(short_scan([2.5] * 9)), judged(short_scan([0.1] * 9))
    assert (passed.outcome, failed.outcome) == (Outcome.PASSED, Outcome.FAILED)
    assert "9 of 20 planes were drawn" in passed.reason
    assert "9 of 20 planes were drawn" in failed.reason
    assert "were drawn" not in judged(short_scan([2.5] * N)).reason


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (short_scan([2.5] * 9), "9 of 20 planes were drawn, which leaves open"),
        (short_scan([]), "0 of 20 planes"),
        (short_scan([2.5] * 9, per_plane=None), "leaves open"),
        (short_scan([2.5, None, 2.5]), "no number"),
        (short_scan([2.5, float("nan"), 2.5]), "no number"),
    ],
    ids=["another bound", "no plane", "no scores", "a hole", "not finite"],
)
def test_what_another_policy_left_open_is_inconclusive(found: DetectorEvidence, said: str) -> None:
    """The bound of 2.45 is so near that nine planes do not tell."""
    outcome = judged(found, bound=2.45)
    assert outcome.outcome is Outcome.INCONCLUSIVE
    assert said in outcome.reason
    assert "scan again with this policy" in outcome.reason


@pytest.mark.parametrize("name", ["planes", "least_planes", "stop_error"])
def test_a_scan_that_does_not_say_how_it_was_to_stop_is_not_judged(name: str) -> None:
    found = replace(xray(), parameters={**PARAMETERS, name: None})
    with pytest.raises(CannotJudge, match="how many planes"):
        why_stopped([], found)


def test_what_settled_the_scan_has_to_be_what_is_judged() -> None:
    """The mean that evidence names lies within the bound, its planes say otherwise."""
    low, high = short_scan([0.1] * 9), short_scan([2.5] * 9)
    for planes, named in ((low, high), (high, low)):
        mixed = {**planes.statistics, "renyi_entropy": named.statistics["renyi_entropy"]}
        assert judged(replace(planes, statistics=mixed)).outcome is Outcome.INCONCLUSIVE
