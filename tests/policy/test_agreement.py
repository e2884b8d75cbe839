"""Every rule over every triple of outcomes, modes and weights."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.builders import evidence
from tests.policy.outcomes import B3D, NAMES, SWEEP, XRAY, ended, three
from xray_gate.core.verdict import DetectorJudgement, Outcome, Verdict
from xray_gate.policy.agreement import why_not_enough
from xray_gate.policy.decision import decide
from xray_gate.policy.decision_spec import DecisionSpec

reproducible = settings(derandomize=True, deadline=None, max_examples=300)
PASSED, FAILED, INCONCLUSIVE = Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE
ERRORED, SKIPPED = Outcome.ERRORED, Outcome.SKIPPED
WEIGHTS = {XRAY: 1, SWEEP: 2, B3D: 1}
RULES: dict[str, dict[str, Any]] = {
    "any": {},
    "all": {"rule": "all"},
    "weighted": {"rule": "weighted", "weights": WEIGHTS, "threshold": 0.5},
    "all, unsafe": {"rule": "all", "unsafe_pass_if_outvoted": True},
    "weighted, unsafe": {
        "rule": "weighted",
        "weights": WEIGHTS,
        "threshold": 0.5,
        "unsafe_pass_if_outvoted": True,
    },
    "weighted, one without": {"rule": "weighted", "weights": {SWEEP: 1}, "threshold": 1},
}


def expected(
    rule: Mapping[str, Any], modes: Mapping[str, str], outcomes: Mapping[str, Outcome | None]
) -> Verdict:
    """The rules over again, from the outcomes alone."""
    used = {name: outcome for name, outcome in outcomes.items() if modes[name] != "off"}
    required = [name for name in NAMES if modes[name] == "required"]
    failed = {name for name, outcome in used.items() if outcome is FAILED}
    voices = {name for name, outcome in used.items() if outcome in (PASSED, FAILED)}
    kind = rule.get("rule", "any")
    if kind == "any":
        enough = bool(failed)
    else:
        weights = {name: 1 if kind == "all" else rule["weights"].get(name, 0) for name in NAMES}
        total = sum(weights[name] for name in voices)
        share = sum(weights[name] for name in failed) / total if total else 0
        enough = bool(failed) and share >= rule.get("threshold", 1) and voices >= set(required)
    if enough:
        return Verdict.FAILED
    if ERRORED in outcomes.values() or any(outcomes[name] is not PASSED for name in required):
        return Verdict.UNDECIDED
    if failed and not rule.get("unsafe_pass_if_outvoted"):
        return Verdict.UNDECIDED
    return Verdict.PASSED


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "modes",
    [
        ("required", "required", "required"),
        ("optional", "required", "optional"),
        ("optional", "required", "required"),
        ("off", "required", "optional"),
    ],
)
def test_every_triple_of_outcomes(rule: str, modes: tuple[str, ...]) -> None:
    by_name = dict(zip(NAMES, modes, strict=True))
    rules = three(by_name, RULES[rule])
    for triple in itertools.product((*Outcome, None), repeat=3):
        outcomes = dict(zip(NAMES, triple, strict=True))
        found = [ended(name, outcome) for name, outcome in outcomes.items() if outcome]
        decision = decide(rules, evidence(*found))
        assert decision.verdict is expected(RULES[rule], by_name, outcomes), outcomes
        assert decision.reasons
        assert all(decision.reasons)
        assert decide(rules, evidence(*reversed(found))).verdict is decision.verdict


CASES: dict[str, tuple[str, tuple[Outcome, Outcome, Outcome], Verdict, list[str]]] = {
    "all agree": (
        "all",
        (FAILED, FAILED, FAILED),
        Verdict.FAILED,
        ["model_xray: renyi_entropy.valid 0.500", "trigger_sweep: a 4x4", "b3d: a reversed"],
    ),
    "one of three disagrees": (
        "all",
        (FAILED, FAILED, PASSED),
        Verdict.UNDECIDED,
        [
            "model_xray and trigger_sweep found something and b3d did not, so the detectors do not "
            "agree (rule `all`); compare what they found in the report, and reject the version",
            "model_xray: renyi_entropy.valid 0.500",
            "trigger_sweep: a 4x4 checkerboard patch",
        ],
    ),
    "one that is required could not tell": (
        "all",
        (PASSED, INCONCLUSIVE, FAILED),
        Verdict.UNDECIDED,
        [
            "b3d found something, but trigger_sweep, which the policy requires, reached no outcome,"
            " so that the rule `all` cannot be applied; scan again",
            "b3d: a reversed trigger of 5.0 pixels",
            "trigger_sweep: because of trigger_sweep",
        ],
    ),
    "too light": (
        "weighted",
        (FAILED, PASSED, PASSED),
        Verdict.UNDECIDED,
        [
            "model_xray found something, but with 1 of 4 of the weight, 25.0%, under the threshold "
            "50.0% (rule `weighted`); compare",
            "model_xray: renyi_entropy.valid 0.500",
        ],
    ),
    "heavy enough": ("weighted", (PASSED, FAILED, PASSED), Verdict.FAILED, ["trigger_sweep: a"]),
    "no weight in the scale": (
        "weighted, one without",
        (FAILED, INCONCLUSIVE, PASSED),
        Verdict.UNDECIDED,
        [
            "model_xray found something, but no detector with a weight reached an outcome (rule ",
            "model_xray: renyi_entropy.valid 0.500",
        ],
    ),
    "outvoted, and the policy says so": (
        "weighted, unsafe",
        (FAILED, PASSED, PASSED),
        Verdict.PASSED,
        [
            "trigger_sweep: no candidate trigger moves more",
            "b3d: no label's reversed trigger",
            "outvoted (rule `weighted`): model_xray: renyi_entropy.valid 0.500",
        ],
    ),
    "outvoted beside a crash": (
        "all, unsafe",
        (FAILED, PASSED, ERRORED),
        Verdict.UNDECIDED,
        [
            "model_xray found something and trigger_sweep did not",
            "model_xray: renyi_entropy.valid 0.500",
            "b3d: because of b3d",
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_reasons_say_who_found_something_and_why_that_is_not_all(case: str) -> None:
    rule, outcomes, verdict, reasons = CASES[case]
    modes = {XRAY: "optional", B3D: "optional"}
    if rule == "weighted, one without":
        modes = {XRAY: "optional", SWEEP: "optional"}
    found = [ended(name, outcome) for name, outcome in zip(NAMES, outcomes, strict=True)]
    decision = decide(three(modes, RULES[rule]), evidence(*found))
    assert decision.verdict is verdict
    assert len(decision.reasons) == len(reasons), decision.reasons
    for said, start in zip(decision.reasons, reasons, strict=True):
        assert said.startswith(start), said


@pytest.mark.parametrize("rule", ["all, unsafe", "weighted, unsafe"])
def test_a_required_detector_is_never_outvoted(rule: str) -> None:
    found = [ended(XRAY, FAILED), ended(SWEEP, PASSED), ended(B3D, PASSED)]
    decision = decide(three(decision=RULES[rule]), evidence(*found))
    assert decision.verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("rule", ["any", "all", "weighted"])
def test_a_second_run_does_not_dilute_a_finding(rule: str) -> None:
    runs = [ended(SWEEP, FAILED), *[ended(SWEEP, PASSED)] * 3]
    rules = three({XRAY: "optional", B3D: "optional"}, RULES[rule])
    assert decide(rules, evidence(*runs)).verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("weights", "failed", "threshold", "enough"),
    [
        ({"a": 0.1, "b": 0.2, "c": 0.3}, "ab", 0.5, True),
        ({"a": 0.1, "b": 0.2, "c": 0.7}, "abc", 1.0, True),
        ({"a": 0.1, "b": 0.2, "c": 0.7}, "c", 0.7, True),
        ({"a": 1, "b": 1, "c": 1}, "ab", 0.6667, False),
        ({"a": 1, "b": 1, "c": 1}, "ab", 0.6666, True),
        ({"a": 1000, "b": 5e-324, "c": 1}, "b", 1e-6, False),
    ],
)
def test_the_share_is_of_the_weights_of_those_that_reached_an_outcome(
    weights: dict[str, float], failed: str, threshold: float, enough: bool
) -> None:
    rule = DecisionSpec(rule="weighted", weights=weights, threshold=threshold)
    judgements = [DetectorJudgement(name, FAILED if name in failed else PASSED) for name in "abc"]
    judgements.append(DetectorJudgement("d", INCONCLUSIVE))
    assert (why_not_enough(rule, [], judgements) is None) is enough


judgements = st.lists(
    st.builds(DetectorJudgement, st.sampled_from([*NAMES, "new"]), st.sampled_from(list(Outcome))),
    max_size=5,
)
weights = st.dictionaries(st.sampled_from(NAMES), st.floats(1e-3, 1000)).map(
    lambda given_weights: {B3D: 1.0, **given_weights}
)
specs = st.builds(
    lambda kind, given_weights, threshold, unsafe: DecisionSpec(
        rule=kind,
        weights=given_weights if kind == "weighted" else None,
        threshold=threshold if kind == "weighted" else None,
        unsafe_pass_if_outvoted=unsafe and kind != "any",
    ),
    st.sampled_from(["any", "all", "weighted"]),
    weights,
    st.floats(0, 1, exclude_min=True),
    st.booleans(),
)
by_mode = st.fixed_dictionaries(
    {
        XRAY: st.sampled_from(["required", "optional", "off"]),
        SWEEP: st.just("required"),
        B3D: st.sampled_from(["required", "optional"]),
    }
)
outcomes_of_three = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from([PASSED] * 4 + list(Outcome))), max_size=6
)


@reproducible
@given(specs, by_mode, outcomes_of_three)
def test_under_no_rule_does_anything_pass_without_its_required_detectors(
    spec: DecisionSpec, modes: dict[str, str], outcomes: list[tuple[str, Outcome]]
) -> None:
    rules = three(modes, spec.model_dump(exclude_none=True))
    decision = decide(rules, evidence(*(ended(*pair) for pair in outcomes)))
    used = [(name, outcome) for name, outcome in outcomes if modes[name] != "off"]
    found = any(outcome is FAILED for _, outcome in used)
    if decision.verdict is Verdict.PASSED:
        for name in (name for name, mode in modes.items() if mode == "required"):
            mine = [outcome for other, outcome in used if other == name]
            assert mine
            assert set(mine) == {PASSED}
        assert ERRORED not in [outcome for _, outcome in outcomes]
        assert spec.unsafe_pass_if_outvoted or not found
        assert not found or decision.reasons[-1].startswith("outvoted")
    if decision.verdict is Verdict.FAILED:
        assert found


@reproducible
@given(specs, by_mode, outcomes_of_three)
def test_no_rule_admits_what_the_usual_one_leaves_undecided(
    spec: DecisionSpec, modes: dict[str, str], outcomes: list[tuple[str, Outcome]]
) -> None:
    found = evidence(*(ended(*pair) for pair in outcomes))
    usual = decide(three(modes), found).verdict
    other = decide(three(modes, spec.model_dump(exclude_none=True)), found).verdict
    if usual is Verdict.UNDECIDED:
        assert other is Verdict.UNDECIDED
    if usual is Verdict.PASSED:
        assert other is Verdict.PASSED


@reproducible
@given(specs, judgements)
def test_one_more_finding_never_makes_enough_too_few(
    spec: DecisionSpec, found: list[DetectorJudgement]
) -> None:
    one = [*found, DetectorJudgement(SWEEP, FAILED)]
    if why_not_enough(spec, [SWEEP], one) is None:
        for name in NAMES:
            more = [*one, DetectorJudgement(name, FAILED)]
            assert why_not_enough(spec, [SWEEP], more) is None
