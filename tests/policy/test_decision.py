import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.builders import calibrated, calibration, evidence, fixed, policy, xray
from xray_gate.core.access import Access
from xray_gate.core.evidence import DetectorEvidence, Evidence, ProbeFacts, RunState
from xray_gate.core.verdict import Outcome, Verdict
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy

RULES = policy([fixed(1.0)])
GOOD, BAD = xray({"renyi_entropy.valid": 2.0}), xray({"renyi_entropy.valid": 0.5})


def other(state: RunState, name: str = "trigger_sweep") -> DetectorEvidence:
    return DetectorEvidence(name, Access.HARD_LABEL, state, reason="because of that")


def stopped(state: RunState) -> DetectorEvidence:
    return xray({"renyi_entropy.valid": 2.0}, state=state, reason="because of this")


def probes(accuracy: float) -> ProbeFacts:
    return ProbeFacts(40, 4, "sha256:probes", accuracy)


CASES: dict[str, tuple[Evidence, Verdict, str]] = {
    "clean": (evidence(GOOD), Verdict.PASSED, "model_xray: no score is beyond its bound"),
    "backdoored": (evidence(BAD), Verdict.FAILED, "model_xray: renyi_entropy.valid 0.500"),
    "obstacle": (
        evidence(obstacle="the model cannot be opened; save it as ONNX"),
        Verdict.UNDECIDED,
        "the model cannot be opened; save it as ONNX",
    ),
    "obstacle beside good scores": (
        evidence(GOOD, obstacle="the answers changed"),
        Verdict.UNDECIDED,
        "the answers changed",
    ),
    "empty obstacle": (evidence(GOOD, obstacle=""), Verdict.UNDECIDED, ""),
    "no probes": (evidence(GOOD, probes=None), Verdict.UNDECIDED, "no probes were asked; scan"),
    "low accuracy": (
        evidence(GOOD, probes=probes(0.49)),
        Verdict.UNDECIDED,
        "the model is right on 49.0% of the probes, under min_probe_accuracy 50.0%",
    ),
    "low accuracy beside a suspicious score": (
        evidence(BAD, probes=probes(0.1)),
        Verdict.UNDECIDED,
        "order of the labels is probably not what the model expects; correct `preprocessing`",
    ),
    "accuracy at the bound": (evidence(GOOD, probes=probes(0.5)), Verdict.PASSED, "model_xray"),
    "accuracy is no number": (
        evidence(GOOD, probes=probes(math.nan)),
        Verdict.UNDECIDED,
        "under min_probe_accuracy",
    ),
    "score is no number": (
        evidence(xray({"renyi_entropy.valid": math.nan})),
        Verdict.UNDECIDED,
        "no number for renyi_entropy.valid",
    ),
    "no score": (evidence(xray(statistics={})), Verdict.UNDECIDED, "no number for"),
    "required skipped": (evidence(stopped(RunState.SKIPPED)), Verdict.UNDECIDED, "because of this"),
    "required errored": (evidence(stopped(RunState.ERRORED)), Verdict.UNDECIDED, "because of this"),
    "required inconclusive": (
        evidence(stopped(RunState.INCONCLUSIVE)),
        Verdict.UNDECIDED,
        "model_xray: because of this",
    ),
    "nothing measured": (
        evidence(),
        Verdict.UNDECIDED,
        "model_xray: is required, but the scan holds no evidence of it; scan again",
    ),
    "required missing": (
        evidence(other(RunState.SKIPPED)),
        Verdict.UNDECIDED,
        "model_xray: is required",
    ),
    "other skipped": (evidence(GOOD, other(RunState.SKIPPED)), Verdict.PASSED, "model_xray"),
    "other inconclusive": (evidence(GOOD, other(RunState.INCONCLUSIVE)), Verdict.PASSED, "model_"),
    "other errored": (
        evidence(GOOD, other(RunState.ERRORED)),
        Verdict.UNDECIDED,
        "trigger_sweep: because of that",
    ),
    "unknown detector errored": (
        evidence(GOOD, other(RunState.ERRORED, "from_the_future")),
        Verdict.UNDECIDED,
        "from_the_future: because of that",
    ),
    "unknown detector completed": (
        evidence(GOOD, other(RunState.COMPLETED, "from_the_future")),
        Verdict.PASSED,
        "model_xray",
    ),
    "unknown detector alone": (
        evidence(other(RunState.COMPLETED, "from_the_future")),
        Verdict.UNDECIDED,
        "model_xray: is required",
    ),
    "failing beside an error": (
        evidence(BAD, other(RunState.ERRORED)),
        Verdict.FAILED,
        "model_xray: renyi_entropy.valid",
    ),
    "one run of two errored": (
        evidence(stopped(RunState.ERRORED), GOOD),
        Verdict.UNDECIDED,
        "because of this",
    ),
    "one run of two failed": (evidence(BAD, GOOD), Verdict.FAILED, "model_xray"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_and_its_reason(case: str) -> None:
    found, verdict, reason = CASES[case]
    decision = decide(RULES, found)
    assert decision.verdict is verdict
    assert reason in decision.reasons[0]
    assert decision.admits == (verdict is Verdict.PASSED)
    assert [item.name for item in decision.judgements] == [d.name for d in found.detectors]


def test_without_thresholds_nothing_passes() -> None:
    decision = decide(policy(), evidence(GOOD))
    assert decision.verdict is Verdict.UNDECIDED
    assert "sets no thresholds" in decision.reasons[0]


@pytest.mark.parametrize("enforcement", ["audit", "warn"])
@pytest.mark.parametrize("case", ["backdoored", "obstacle", "low accuracy", "nothing measured"])
def test_a_trial_admits_and_keeps_the_verdict(enforcement: str, case: str) -> None:
    found, verdict, _ = CASES[case]
    decision = decide(policy([fixed(1.0)], enforcement=enforcement), found)
    assert decision.verdict is verdict
    assert decision.admits


def test_judgements_stand_beside_an_obstacle() -> None:
    decision = decide(RULES, evidence(other(RunState.SKIPPED), obstacle="gone; look again"))
    assert [item.outcome for item in decision.judgements] == [Outcome.SKIPPED]


@pytest.mark.parametrize("case", CASES)
def test_the_decision_is_pure(case: str) -> None:
    found, rules = CASES[case][0], RULES
    before = copy.deepcopy(found)
    first, second = decide(rules, found), decide(rules, found)
    assert first == second
    assert repr(found) == repr(before)
    assert rules == policy([fixed(1.0)])


# Good answers are the common ones here, so that passes are common enough to be looked into.
usual = st.floats(-1, 8)
scores = usual | usual | usual | st.floats() | st.sampled_from([None, True, "1", math.nan])
detectors = st.builds(
    lambda state, name, valid, ats: xray(
        {"renyi_entropy.valid": valid, "ats.valid": ats}, state=state, name=name, reason="r"
    ),
    st.sampled_from([RunState.COMPLETED] * 6 + list(RunState)),
    st.sampled_from(["model_xray"] * 6 + ["trigger_sweep", "b3d", "from_the_future"]),
    scores,
    scores,
)
evidences = st.builds(
    lambda found, accuracy, obstacle: evidence(
        *found, probes=None if accuracy is None else probes(accuracy), obstacle=obstacle
    ),
    st.lists(detectors, max_size=3),
    st.sampled_from([0.9, 0.9, 0.5, 0.1, None]) | st.floats(),
    st.sampled_from([None, None, None, None, "gone"]),
)
policies = st.sampled_from(
    [
        RULES,
        policy(),
        policy([fixed(-3.0)], min_probe_accuracy=0),
        policy([fixed(3.0, "above"), fixed(0.0, statistic="ats.valid")]),
        policy(calibrated(), calibration([0.0] * 19)),
        policy(calibrated(unsafe_any_architecture=True), calibration([0.0] * 19)),
        policy(calibrated()),
    ]
)


def trusted(found: Evidence) -> Sequence[DetectorEvidence]:
    mine = [item for item in found.detectors if item.name == "model_xray"]
    return [item for item in mine if item.state is RunState.COMPLETED]


@settings(max_examples=400)
@given(policies, evidences)
def test_nothing_passes_without_a_completed_required_detector(
    rules: Policy, found: Evidence
) -> None:
    decision = decide(rules, found)
    assert decision.reasons
    assert len(decision.judgements) == len(found.detectors)
    if decision.verdict is Verdict.PASSED:
        assert trusted(found)
        assert found.obstacle is None
        assert found.probes is not None
        assert found.probes.accuracy >= rules.document.min_probe_accuracy
        assert all(item.state is not RunState.ERRORED for item in found.detectors)
        assert rules.document.detectors.model_xray.thresholds


@given(
    evidences,
    st.sampled_from(["below", "above"]),
    st.floats(-3, 3),
    st.floats(0, 3),
)
def test_a_tighter_bound_never_admits_more(
    found: Evidence, side: str, bound: float, tighter_by: float
) -> None:
    loose = policy([fixed(bound, side)])
    tightened = bound + tighter_by if side == "below" else bound - tighter_by
    tight = policy([fixed(tightened, side)])
    if decide(tight, found).admits:
        assert decide(loose, found).admits


@given(evidences, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_accuracy_bound_never_admits_more(
    found: Evidence, first: float, second: float
) -> None:
    low, high = (
        policy([fixed(1.0)], min_probe_accuracy=least) for least in sorted((first, second))
    )
    if decide(high, found).admits:
        assert decide(low, found).admits


@given(evidences)
def test_one_more_detector_never_makes_a_pass_of_a_refusal(found: Evidence) -> None:
    more = replace(found, detectors=(*found.detectors, other(RunState.SKIPPED)))
    assert decide(RULES, more).verdict is decide(RULES, found).verdict


def test_reasons_of_all_failures_are_given() -> None:
    rules: Any = policy([fixed(1.0), fixed(0.5, statistic="ats.valid")])
    (reason,) = decide(rules, evidence(xray({"renyi_entropy.valid": 0.1}))).reasons
    assert "renyi_entropy.valid 0.100" in reason
    assert "ats.valid 0.200" in reason
