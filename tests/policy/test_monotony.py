"""What a stricter policy admits: never more, whatever the evidence."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.builders import evidence
from tests.policy.outcomes import B3D, NAMES, SWEEP, XRAY, ended, swept_with, three
from xray_gate.core.evidence import Evidence, ProbeFacts
from xray_gate.core.verdict import Enforcement, Outcome, Place, Verdict
from xray_gate.policy.decision import decide
from xray_gate.policy.exception_document import ExceptionDocument
from xray_gate.policy.exceptions import decide_now
from xray_gate.policy.files import Policy

MODES = st.sampled_from(["required", "optional", "off"])
OUTCOMES = st.sampled_from(list(Outcome))
PLACES = st.fixed_dictionaries(
    {}, optional={place.value: st.sampled_from(Enforcement) for place in Place}
)
UNSAFE = ("unsafe_admit_undecided", "unsafe_admit_not_applicable")


@st.composite
def scans(draw: st.DrawFn) -> Evidence:
    """Any mix of outcomes, with and without probes, an obstacle, or a word of the model's."""
    runs = [
        swept_with(draw(st.floats(1e-6, 1.0)))
        if name == SWEEP and draw(st.booleans())
        else ended(name, draw(OUTCOMES))
        for name in NAMES
        if draw(st.integers(0, 9))
    ]
    asked = draw(st.booleans())
    return evidence(
        *runs,
        probes=ProbeFacts(40, 4, "sha256:probes", draw(st.floats(0, 1))) if asked else None,
        obstacle=draw(st.none() | st.just("it crashed")),
        not_applicable=draw(st.none() | st.just("its flavour is langchain")),
    )


def required(modes: Mapping[str, str]) -> dict[str, str]:
    return {**modes, SWEEP: "required"}


MODES_OF_ALL = st.fixed_dictionaries({XRAY: MODES, B3D: MODES}).map(required)
DECISIONS = st.sampled_from(
    [
        {"rule": "any"},
        {"rule": "all"},
        {"rule": "all", "unsafe_pass_if_outvoted": True},
        {"rule": "weighted", "weights": {SWEEP: 2, XRAY: 1}, "threshold": 0.5},
    ]
)


def rules(modes: Mapping[str, str], **changes: Any) -> Policy:
    return three(modes, **changes)


@settings(max_examples=150, deadline=None)
@given(scans(), MODES_OF_ALL, st.floats(1e-5, 0.5), st.floats(1e-5, 0.5))
def test_a_higher_level_of_the_sweep_never_admits_more(
    found: Evidence, modes: dict[str, str], one: float, other: float
) -> None:
    loose, tight = sorted((one, other))
    if decide(rules(modes, trigger_sweep={"level": tight}), found).admits:
        assert decide(rules(modes, trigger_sweep={"level": loose}), found).admits


@settings(max_examples=150, deadline=None)
@given(scans(), MODES_OF_ALL, st.floats(0, 4), st.floats(0, 4))
def test_a_bound_that_suspects_more_never_admits_more(
    found: Evidence, modes: dict[str, str], one: float, other: float
) -> None:
    loose, tight = sorted((one, other))

    def with_bound(bound: float) -> Policy:
        thresholds = [
            {
                "statistic": "renyi_entropy.valid",
                "bound": bound,
                "suspicious": "below",
                "source": "a test",
            }
        ]
        return rules(modes, model_xray={"thresholds": thresholds})

    if decide(with_bound(tight), found).admits:
        assert decide(with_bound(loose), found).admits


@settings(max_examples=150, deadline=None)
@given(scans(), MODES_OF_ALL, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_accuracy_never_admits_more(
    found: Evidence, modes: dict[str, str], one: float, other: float
) -> None:
    loose, tight = sorted((one, other))
    if decide(rules(modes, min_probe_accuracy=tight), found).admits:
        assert decide(rules(modes, min_probe_accuracy=loose), found).admits


@settings(max_examples=200, deadline=None)
@given(scans(), MODES_OF_ALL, st.sampled_from([XRAY, B3D]))
def test_another_required_detector_never_admits_more(
    found: Evidence, modes: dict[str, str], name: str
) -> None:
    if decide(rules({**modes, name: "required"}), found).admits:
        assert decide(rules(modes), found).admits


@settings(max_examples=300, deadline=None)
@given(scans(), MODES_OF_ALL, DECISIONS, PLACES, st.sets(st.sampled_from(UNSAFE)))
def test_only_modes_and_unsafe_rules_admit_what_did_not_pass(
    found: Evidence,
    modes: dict[str, str],
    decision: dict[str, Any],
    places: dict[str, Enforcement],
    unsafe: set[str],
) -> None:
    used = dict.fromkeys(unsafe, True)
    policy = rules(modes, decision=decision, enforcement=places, **used)
    strict = decide(rules(modes, decision=decision), found)
    assert strict.admits == (strict.verdict is Verdict.PASSED)
    for place in Place:
        decided = decide(policy, found, place)
        mode = places.get(place.value, Enforcement.ENFORCE)
        # Neither modes nor rules change the verdict.
        assert decided.verdict is strict.verdict
        if decided.admits and decided.verdict is not Verdict.PASSED:
            assert mode is not Enforcement.ENFORCE or decided.unsafe_rule in unsafe
        if decided.unsafe_rule is not None:
            assert decided.verdict is Verdict.UNDECIDED
            assert all(item.outcome is not Outcome.FAILED for item in decided.judgements)
        assert decided.promotes == decide(policy, found, Place.PROMOTION).admits


RULES = (*NAMES, "undecided", "age")


def exceptions_for(found: Evidence, names: set[str]) -> tuple[ExceptionDocument, ...]:
    """One for these bytes by each rule, from the second day to the eleventh."""
    days = {"created": "1970-01-02", "expires": "1970-01-12"}
    said = {"policy": "images", "owner": "a team", "reason": "known", "ticket": "T-1", **days}
    head = {"apiVersion": "xray-gate/v1", "kind": "Exception", "model": found.model.digest}
    return tuple(
        ExceptionDocument.model_validate({**head, **said, "name": name, "rule": name})
        for name in sorted(names)
    )


@settings(max_examples=300, deadline=None)
@given(
    scans(),
    MODES_OF_ALL,
    PLACES,
    st.sets(st.sampled_from(RULES)),
    st.integers(0, 12),
    st.booleans(),
)
def test_exceptions_that_count_are_the_only_other_way(
    scanned: Evidence,
    modes: dict[str, str],
    places: dict[str, Enforcement],
    names: set[str],
    day: int,
    allowed: bool,
) -> None:
    model = replace(scanned.model, digest="sha256:" + "ab" * 32)
    found, now = replace(scanned, model=model), day * 86_400.0
    spec = {"most_days": 30} if allowed else None
    plain = rules(modes, enforcement=places, exceptions=spec)
    policy = replace(plain, exceptions=exceptions_for(found, names))
    for place in (Place.REGISTRATION, Place.PROMOTION):
        without, decided = decide(plain, found, place), decide_now(policy, found, now, place)
        # Whatever is excused, the verdict and its reasons stay.
        assert replace(decided, excused_by=()) == without
        used = {one.rule for one in decided.excused_by}
        assert used <= names
        if decided != without:
            assert allowed
            assert 1 <= day < 11
            assert not (without.admits and without.promotes)
            assert decided.admits
            assert decided.promotes
            suspects = {i.name for i in decided.judgements if i.outcome is Outcome.FAILED}
            assert suspects <= used


@settings(max_examples=150, deadline=None)
@given(scans(), MODES_OF_ALL)
def test_what_was_asked_or_crashed_is_not_admitted_as_not_applicable(
    found: Evidence, modes: dict[str, str]
) -> None:
    decided = decide(rules(modes, unsafe_admit_not_applicable=True), found)
    if decided.unsafe_rule is not None:
        assert found.probes is None
        assert found.not_applicable is not None


def test_bytes_that_were_never_seen_are_admitted_by_no_rule() -> None:
    unseen = evidence(probes=None, obstacle="the store is away; try again")
    policy = rules({}, unsafe_admit_undecided=True)
    assert decide(policy, unseen).admits
    model = unseen.model.__class__("m", "unknown", "unknown", 0)
    assert not decide(policy, evidence(model=model, probes=None, obstacle="gone")).admits
