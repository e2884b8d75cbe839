import copy
import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.builders import (
    calibrated,
    calibration,
    candidate,
    evidence,
    fixed,
    harmless,
    policy,
    swept,
    xray,
)
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
    "obstacle after a finding": (
        evidence(BAD, obstacle="the model took too long"),
        Verdict.FAILED,
        "model_xray: renyi_entropy.valid 0.500",
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


BOTH = policy([fixed(1.0)], model_xray={"mode": "optional"}, trigger_sweep={})
SCORED = policy(model_xray={"mode": "optional"}, trigger_sweep={})
CLEAN, TRIGGERED = harmless(), swept()
CASES_OF_BOTH: dict[str, tuple[Policy, Evidence, Verdict, list[str]]] = {
    "both pass": (
        BOTH,
        evidence(GOOD, CLEAN),
        Verdict.PASSED,
        ["model_xray: no score is beyond", "trigger_sweep: no candidate trigger moves more"],
    ),
    "the sweep stands alone beside scores that decide nothing": (
        SCORED,
        evidence(GOOD, CLEAN),
        Verdict.PASSED,
        ["trigger_sweep: no candidate trigger moves more"],
    ),
    "the sweep blocks beside scores that decide nothing": (
        SCORED,
        evidence(GOOD, TRIGGERED),
        Verdict.FAILED,
        ["trigger_sweep: a 4x4 checkerboard patch at the bottom right sends 97 % of the images"],
    ),
    "a failed optional detector fails": (
        BOTH,
        evidence(BAD, CLEAN),
        Verdict.FAILED,
        ["model_xray: renyi_entropy.valid 0.500"],
    ),
    "both fail": (
        BOTH,
        evidence(BAD, TRIGGERED),
        Verdict.FAILED,
        ["model_xray: renyi_entropy.valid 0.500", "trigger_sweep: a 4x4 checkerboard patch"],
    ),
    "an optional pass is no pass where the required sweep could not run": (
        BOTH,
        evidence(GOOD, other(RunState.INCONCLUSIVE)),
        Verdict.UNDECIDED,
        ["trigger_sweep: because of that"],
    ),
    "evidence from before there was a sweep": (
        BOTH,
        evidence(GOOD),
        Verdict.UNDECIDED,
        ["trigger_sweep: is required, but the scan holds no evidence of it; scan again"],
    ),
    "a garbled sweep": (
        BOTH,
        evidence(GOOD, swept(p_value=math.nan)),
        Verdict.UNDECIDED,
        ["trigger_sweep: the evidence cannot be used (p_value"],
    ),
    "an optional crash": (
        BOTH,
        evidence(stopped(RunState.ERRORED), CLEAN),
        Verdict.UNDECIDED,
        ["model_xray: because of this"],
    ),
}


@pytest.mark.parametrize("case", CASES_OF_BOTH)
def test_the_verdict_of_two_detectors_and_its_reasons(case: str) -> None:
    rules, found, verdict, reasons = CASES_OF_BOTH[case]
    decision = decide(rules, found)
    assert decision.verdict is verdict
    assert len(decision.reasons) == len(reasons)
    for said, expected in zip(decision.reasons, reasons, strict=True):
        assert said.startswith(expected)


MODES = ("required", "optional", "off", None)
"""None: the policy does not name the detector."""
OUTCOMES = (*Outcome, None)
"""None: the evidence does not hold the detector."""


def rules_of_modes(xray_mode: str | None, sweep_mode: str | None) -> Policy:
    settings: dict[str, dict[str, Any]] = {
        "model_xray": {"mode": xray_mode, "size": 10, "planes": 2, "thresholds": [fixed(1.0)]},
        "trigger_sweep": {"mode": sweep_mode},
    }
    named = {name: spec for name, spec in settings.items() if spec["mode"] is not None}
    return policy(detectors=named)


def ended(name: str, outcome: Outcome | None) -> list[DetectorEvidence]:
    """Evidence that a policy which uses the detector judges so."""
    complete = {
        ("model_xray", Outcome.PASSED): GOOD,
        ("model_xray", Outcome.FAILED): BAD,
        ("trigger_sweep", Outcome.PASSED): CLEAN,
        ("trigger_sweep", Outcome.FAILED): TRIGGERED,
    }
    if outcome is None:
        return []
    return [complete.get((name, outcome)) or other(RunState(outcome.value), name)]


def expected(modes: dict[str, str | None], outcomes: dict[str, Outcome | None]) -> Verdict:
    """The rules over again, from the outcomes alone."""
    completed = (Outcome.PASSED, Outcome.FAILED)
    counted = {
        name: outcome
        for name, outcome in outcomes.items()
        if modes[name] in ("required", "optional") or outcome not in completed
    }
    required = [name for name, mode in modes.items() if mode == "required"]
    if Outcome.FAILED in counted.values():
        return Verdict.FAILED
    sure = Outcome.ERRORED not in counted.values()
    if sure and all(counted.get(name) is Outcome.PASSED for name in required):
        return Verdict.PASSED
    return Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("xray_mode", "sweep_mode"),
    [pair for pair in itertools.product(MODES, MODES) if "required" in pair],
)
def test_every_pair_of_outcomes_under_every_pair_of_modes(
    xray_mode: str | None, sweep_mode: str | None
) -> None:
    rules = rules_of_modes(xray_mode, sweep_mode)
    modes = {"model_xray": xray_mode, "trigger_sweep": sweep_mode}
    for first, second in itertools.product(OUTCOMES, OUTCOMES):
        outcomes = {"model_xray": first, "trigger_sweep": second}
        found = [item for name, outcome in outcomes.items() for item in ended(name, outcome)]
        decision = decide(rules, evidence(*found))
        assert decision.verdict is expected(modes, outcomes), outcomes
        assert decision.reasons
        assert decide(rules, evidence(*reversed(found))).verdict is decision.verdict


def test_without_a_required_detector_nothing_passes() -> None:
    """No such policy can be read; one could be made in the program."""
    document = BOTH.document.model_copy(update={"detectors": BOTH.document.detectors.only("none")})
    decision = decide(replace(BOTH, document=document), evidence(GOOD, CLEAN))
    assert decision.verdict is Verdict.UNDECIDED
    assert decision.reasons == ("no required detector reached an outcome; scan again",)


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
sweeps = st.builds(
    lambda state, p, moved: replace(
        swept(candidate(p_value=p, moved=moved), p_value=p), state=state, reason="r"
    ),
    st.sampled_from([RunState.COMPLETED] * 6 + list(RunState)),
    st.floats(0.02, 1) | st.floats(0.02, 1) | st.floats() | st.sampled_from([None, True, "1"]),
    st.integers(0, 35) | st.integers(0, 35) | st.integers() | st.none(),
)
detectors = sweeps | st.builds(
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
        BOTH,
        SCORED,
        policy([fixed(-3.0)], trigger_sweep={"level": 0.5}),
        policy([fixed(-3.0)], trigger_sweep={"mode": "optional"}),
        policy(detectors={"trigger_sweep": {}}),
        *(
            policy([fixed(-3.0)], model_xray={"mode": mode}, trigger_sweep={}, decision=rule)
            for mode in ("required", "optional")
            for rule in (
                {"rule": "all"},
                {"rule": "weighted", "weights": {"model_xray": 1}, "threshold": 1},
                {
                    "rule": "weighted",
                    "weights": {"model_xray": 1, "trigger_sweep": 3},
                    "threshold": 0.5,
                    "unsafe_pass_if_outvoted": True,
                },
            )
        ),
    ]
)


def required(rules: Policy) -> Sequence[str]:
    named = rules.document.detectors.named()
    return [name for name, spec in named.items() if spec.mode == "required"]


@settings(max_examples=400)
@given(policies, evidences)
def test_nothing_passes_without_a_completed_required_detector(
    rules: Policy, found: Evidence
) -> None:
    decision = decide(rules, found)
    assert decision.reasons
    assert len(decision.judgements) == len(found.detectors)
    if decision.verdict is Verdict.PASSED:
        for name in required(rules):
            mine = [item for item in found.detectors if item.name == name]
            assert mine
            assert all(item.state is RunState.COMPLETED for item in mine)
        assert found.obstacle is None
        assert found.probes is not None
        assert found.probes.accuracy >= rules.document.min_probe_accuracy
        assert all(item.state is not RunState.ERRORED for item in found.detectors)
        spec = rules.document.detectors.model_xray
        assert spec is None or spec.mode != "required" or spec.thresholds


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
