"""When a detector that waits for another one is needed; whatever is unclear makes it needed."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.builders import calibrated, calibration, evidence, fixed, xray
from tests.policy.outcomes import B3D, NAMES, SWEEP, XRAY, ended, swept_with, three
from xray_gate.core.evidence import DetectorEvidence, RunState
from xray_gate.core.verdict import Outcome, Verdict
from xray_gate.policy.decision import decide
from xray_gate.policy.escalation import need_of
from xray_gate.policy.files import Policy

reproducible = settings(derandomize=True, deadline=None, max_examples=300)
MODES = {XRAY: "optional"}
NEAR_SWEEP = {"detectors": [SWEEP]}
RULES = three(MODES, near=NEAR_SWEEP)
LEFT_OUT = ended(B3D, Outcome.SKIPPED)


def calibrated_rules(near: dict[str, Any], *statistics: str, scores: int = 199) -> Policy:
    """X-ray held against references 0, 1, 2, ...: a score of k has p = (k + 1) / (n + 1)."""
    xray_settings = {"size": 10, "planes": 2, "thresholds": calibrated(*statistics)}
    rules = three(MODES, near=near, model_xray=xray_settings)
    return replace(rules, calibration=calibration(range(scores)))


@pytest.mark.parametrize(
    ("p", "excess", "needed", "said"),
    [
        (1.0, -0.5, False, "trigger_sweep's p = 1 is far from its level 0.01"),
        (0.101, -0.5, False, "trigger_sweep's p = 0.1 is far from its level 0.01"),
        (0.1, -0.5, True, "trigger_sweep's p = 0.1 is near its level 0.01"),
        (0.02, -0.5, True, "trigger_sweep's p = 0.02 is near its level 0.01"),
        (0.01, -0.5, True, "trigger_sweep ended failed"),
        (1.0, -0.11, False, "trigger_sweep's p = 1 is far"),
        (1.0, -0.1, True, "trigger has an excess of -0.10, within 0.1 of what is allowed"),
        (1.0, 0.4, True, "trigger has an excess of 0.40, within 0.1 of what is allowed"),
        (1.0, math.nan, True, "how near trigger_sweep is cannot be told from its evidence"),
        (1.0, None, True, "how near trigger_sweep is cannot be told from its evidence"),
        (1.0, "-1", True, "how near trigger_sweep is cannot be told from its evidence"),
        (1.0, True, True, "how near trigger_sweep is cannot be told from its evidence"),
        (math.nan, -0.5, True, "trigger_sweep ended inconclusive"),
    ],
)
def test_near_is_a_small_p_value_or_a_small_distance_to_what_is_allowed(
    p: float, excess: Any, needed: bool, said: str
) -> None:
    need = need_of(RULES, evidence(swept_with(p, excess)), B3D)
    assert need.is_there is needed
    assert said in need.reason


def test_how_near_is_near_is_the_policys() -> None:
    found = evidence(swept_with(0.3, -0.2))
    assert not need_of(RULES, found, B3D).is_there
    for near in ({"factor": 30}, {"margin": 0.2}):
        assert need_of(three(MODES, near={**NEAR_SWEEP, **near}), found, B3D).is_there
    assert need_of(three(MODES, near=NEAR_SWEEP, trigger_sweep={"level": 0.03}), found, B3D)


@pytest.mark.parametrize(
    "outcome", [Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.ERRORED, Outcome.SKIPPED]
)
def test_whatever_did_not_pass_makes_it_needed(outcome: Outcome) -> None:
    need = need_of(RULES, evidence(ended(SWEEP, outcome)), B3D)
    assert need.is_there
    assert need.reason == f"trigger_sweep ended {outcome}"


def test_without_evidence_of_the_cheap_one_it_is_needed() -> None:
    assert need_of(RULES, evidence(), B3D).reason == "there is no evidence of trigger_sweep"


def test_one_near_run_of_several_makes_it_needed() -> None:
    far, near = swept_with(1.0), swept_with(0.05)
    assert not need_of(RULES, evidence(far, far), B3D).is_there
    assert need_of(RULES, evidence(far, near), B3D).is_there
    assert need_of(RULES, evidence(far, ended(SWEEP, Outcome.ERRORED)), B3D).is_there


@pytest.mark.parametrize("name", [XRAY, SWEEP, "from_the_future"])
def test_what_has_no_such_rule_is_always_needed(name: str) -> None:
    assert need_of(RULES, evidence(swept_with(1.0)), name).is_there


@pytest.mark.parametrize(
    ("score", "needed", "said"),
    [
        (150.0, False, "model_xray's p = 0.76 is far from its level 0.05"),
        (98.5, True, "model_xray's p = 0.5 for renyi_entropy.valid is near 0.05"),
        (99.0, False, "model_xray's p = 0.51 is far from its level 0.05"),
        (20.0, True, "is near 0.05"),
        (-1.0, True, "model_xray ended failed"),
        (math.nan, True, "model_xray ended inconclusive"),
    ],
)
def test_x_ray_is_near_by_its_conformal_p_value(score: float, needed: bool, said: str) -> None:
    rules = calibrated_rules({"detectors": [XRAY]})
    need = need_of(rules, evidence(xray({"renyi_entropy.valid": score})), B3D)
    assert need.is_there is needed
    assert said in need.reason


def test_every_statistic_of_x_ray_has_to_be_far() -> None:
    statistics = ("renyi_entropy.valid", "ats.valid")
    rules = calibrated_rules({"detectors": [XRAY]}, *statistics)
    found = evidence(xray({"renyi_entropy.valid": 150.0}))
    # Every reference has the same ATS as the model, so that its p-value is 1.
    need = need_of(rules, found, B3D)
    assert (need.is_there, need.reason) == (
        False,
        "model_xray's p = 0.76, 1 is far from its level 0.025",
    )
    low = evidence(xray({"renyi_entropy.valid": 40.0}))
    assert need_of(rules, low, B3D).is_there


def test_x_ray_without_references_says_nothing_of_near() -> None:
    rules = three(MODES, near={"detectors": [XRAY]})
    need = need_of(rules, evidence(xray({"renyi_entropy.valid": 2.0})), B3D)
    assert (need.is_there, need.reason) == (
        True,
        "how near model_xray is cannot be told from a fixed bound",
    )
    silent = three(MODES, near={"detectors": [XRAY]}, model_xray={"thresholds": None})
    assert need_of(silent, evidence(xray()), B3D).reason == "model_xray ended inconclusive"


def test_several_cheap_ones_have_to_be_far_all() -> None:
    rules = calibrated_rules({"detectors": [SWEEP, XRAY]})
    far_xray, near_xray = (xray({"renyi_entropy.valid": score}) for score in (150.0, 50.0))
    far = need_of(rules, evidence(far_xray, swept_with(1.0)), B3D)
    assert not far.is_there
    assert far.reason == (
        "trigger_sweep's p = 1 is far from its level 0.01; model_xray's p = 0.76 is far from its "
        "level 0.05"
    )
    assert need_of(rules, evidence(near_xray, swept_with(1.0)), B3D).is_there
    assert need_of(rules, evidence(far_xray, swept_with(0.05)), B3D).is_there


def test_what_was_left_out_rightly_does_not_hinder_a_pass() -> None:
    decision = decide(RULES, evidence(swept_with(0.8), LEFT_OUT))
    assert decision.verdict is Verdict.PASSED
    (judgement,) = [item for item in decision.judgements if item.name == B3D]
    assert judgement.outcome is Outcome.SKIPPED
    assert judgement.reason == "not needed: trigger_sweep's p = 0.8 is far from its level 0.01"


@pytest.mark.parametrize("claim", ["not needed: trust me", "not needed: ", ""])
@pytest.mark.parametrize("p", [0.05, 0.1])
def test_a_scan_that_says_not_needed_is_not_believed(claim: str, p: float) -> None:
    found = evidence(swept_with(p), replace(LEFT_OUT, reason=claim))
    decision = decide(RULES, found)
    assert decision.verdict is Verdict.UNDECIDED
    assert decision.reasons[0].startswith("b3d: ")
    if claim:
        assert decision.reasons == (
            "b3d: the scan left it out, but under the policy images it is needed: trigger_sweep's "
            f"p = {p:g} is near its level 0.01; register the version again to have it scanned "
            "under this policy",
        )


def test_a_stricter_policy_of_the_server_undoes_a_pass() -> None:
    found = evidence(swept_with(0.3), LEFT_OUT)
    assert decide(RULES, found).verdict is Verdict.PASSED
    stricter = three(MODES, near={**NEAR_SWEEP, "factor": 50})
    assert decide(stricter, found).verdict is Verdict.UNDECIDED
    assert decide(three(MODES), found).verdict is Verdict.UNDECIDED


def test_a_sweep_of_other_settings_bears_nothing_out() -> None:
    found = swept_with(1.0, parameters={"families": ["patch"], "queries": 8_000})
    assert decide(RULES, evidence(found, LEFT_OUT)).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([], Verdict.UNDECIDED),
        ([ended(B3D, Outcome.ERRORED)], Verdict.UNDECIDED),
        ([ended(B3D, Outcome.INCONCLUSIVE)], Verdict.UNDECIDED),
        ([ended(B3D, Outcome.FAILED)], Verdict.FAILED),
        ([ended(B3D, Outcome.PASSED)], Verdict.PASSED),
        ([LEFT_OUT, ended(B3D, Outcome.INCONCLUSIVE)], Verdict.UNDECIDED),
        ([LEFT_OUT, ended(B3D, Outcome.FAILED)], Verdict.FAILED),
    ],
)
def test_only_what_was_skipped_is_excused(found: list[DetectorEvidence], verdict: Verdict) -> None:
    assert decide(RULES, evidence(swept_with(1.0), *found)).verdict is verdict


def test_an_optional_one_that_was_left_out_says_so() -> None:
    rules = three({XRAY: "optional", B3D: "optional"}, near=NEAR_SWEEP)
    decision = decide(rules, evidence(swept_with(1.0), LEFT_OUT))
    assert decision.verdict is Verdict.PASSED
    assert str(decision.judgements[-1].reason).startswith("not needed: trigger_sweep's p = 1")


def test_a_detector_that_is_off_is_not_called_unneeded() -> None:
    rules = three({XRAY: "optional", B3D: "off"}, near=NEAR_SWEEP)
    decision = decide(rules, evidence(swept_with(1.0), LEFT_OUT))
    assert decision.judgements[-1].reason == "because of b3d"


@pytest.mark.parametrize("rule", ["all", "weighted"])
def test_what_was_left_out_has_no_voice_under_the_other_rules(rule: str) -> None:
    weighted = {"weights": {SWEEP: 1, B3D: 3}, "threshold": 0.5} if rule == "weighted" else {}
    rules = three(MODES, {"rule": rule, **weighted}, NEAR_SWEEP)
    assert decide(rules, evidence(swept_with(1.0), LEFT_OUT)).verdict is Verdict.PASSED
    suspected = ended(XRAY, Outcome.FAILED)
    found = evidence(suspected, swept_with(1.0), LEFT_OUT)
    assert decide(rules, found).verdict is Verdict.UNDECIDED


far_sweeps = st.builds(
    lambda p, excess, state: swept_with(p, excess, state=state, reason="r"),
    st.floats(0, 1) | st.sampled_from([1.0, 1.0, math.nan]),
    st.floats(-1, 1) | st.sampled_from([-0.5, -0.5, None, "1", math.inf]),
    st.sampled_from([RunState.COMPLETED] * 6 + list(RunState)),
)
others = st.builds(ended, st.sampled_from([XRAY, B3D]), st.sampled_from([Outcome.PASSED, *Outcome]))
nears = st.builds(
    lambda factor, margin: {**NEAR_SWEEP, "factor": factor, "margin": margin},
    st.floats(1, 1e4, exclude_min=True),
    st.floats(0, 1),
)


@reproducible
@given(st.lists(far_sweeps, max_size=2), st.lists(others, max_size=3), nears)
def test_a_pass_without_the_detector_rests_on_a_sweep_that_was_far(
    sweeps: list[DetectorEvidence], more: list[DetectorEvidence], near: dict[str, Any]
) -> None:
    found = evidence(*sweeps, *more)
    rules = three(MODES, near=near)
    if decide(rules, found).verdict is not Verdict.PASSED:
        return
    mine = [item for item in more if item.name == B3D]
    assert mine
    assert sweeps
    for item in mine:
        assert item.state in (RunState.COMPLETED, RunState.SKIPPED)
    if any(item.state is RunState.SKIPPED for item in mine):
        for sweep in sweeps:
            assert sweep.state is RunState.COMPLETED
            assert sweep.statistics["p_value"] > 0.01 * near["factor"]
            assert sweep.statistics["excess"] < -near["margin"]


@reproducible
@given(st.lists(far_sweeps | others, max_size=4), nears, st.floats(1, 100), st.floats(0, 1))
def test_a_wider_margin_never_admits_more(
    found: list[DetectorEvidence], near: dict[str, Any], times: float, wider: float
) -> None:
    margin = min(1.0, near["margin"] + wider)
    wide = three(MODES, near={**near, "factor": near["factor"] * times, "margin": margin})
    if decide(wide, evidence(*found)).admits:
        assert decide(three(MODES, near=near), evidence(*found)).admits


@reproducible
@given(st.lists(far_sweeps | others, max_size=4), nears)
def test_running_always_never_admits_more(
    found: list[DetectorEvidence], near: dict[str, Any]
) -> None:
    if decide(three(MODES), evidence(*found)).admits:
        assert decide(three(MODES, near=near), evidence(*found)).admits


def test_the_detectors_run_in_the_order_that_policies_rely_on() -> None:
    from xray_gate.detectors.all_detectors import ALL_DETECTORS

    assert [name for name in ALL_DETECTORS if name in NAMES] == list(NAMES)


def test_fixed_bounds_are_not_taken_for_a_calibration() -> None:
    rules = three(MODES, near={"detectors": [XRAY]}, model_xray={"thresholds": [fixed(-9.0)]})
    assert need_of(rules, evidence(xray()), B3D).is_there
