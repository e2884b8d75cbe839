from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.builders import policy
from xray_gate.core.errors import PolicyError
from xray_gate.policy.coverage import coverage_findings
from xray_gate.policy.files import Policy, PolicySet


def named(name: str, *globs: str, precedence: int = 0, **match: Any) -> Policy:
    return policy(
        name=name, precedence=precedence, match={"registered_models": list(globs), **match}
    )


def outcome(policies: PolicySet, name: str) -> str:
    try:
        found = policies.match(name)
    except PolicyError as error:
        return str(error)
    return "none" if found is None else found.name


NAMED = st.builds(
    named,
    st.sampled_from("abcde"),
    st.sampled_from(["*", "signs*", "*-de", "signs-de", "faces?"]),
    precedence=st.integers(-1, 2),
)
SETS = st.lists(NAMED, unique_by=lambda item: item.name, max_size=5)


@settings(max_examples=100, deadline=None)
@given(SETS, st.randoms(use_true_random=False))
def test_the_order_of_the_files_decides_nothing(found: list[Policy], random: Any) -> None:
    shuffled = random.sample(found, len(found))
    one, other = PolicySet(tuple(found)), PolicySet(tuple(shuffled))
    for name in ("signs", "signs-de", "faces1", "faces-de", "others"):
        assert outcome(one, name) == outcome(other, name)
    assert coverage_findings(one) == coverage_findings(other)


@settings(max_examples=100, deadline=None)
@given(SETS)
def test_what_is_said_to_be_unreachable_is_never_reached(found: list[Policy]) -> None:
    policies = PolicySet(tuple(found))
    said = {text.partition(":")[0] for text in coverage_findings(policies) if "never" in text}
    for name in ("signs", "signs-de", "faces1", "faces-de", "signs-1", "others", "x-de"):
        assert outcome(policies, name) not in said


@settings(max_examples=100, deadline=None)
@given(SETS)
def test_every_conflict_is_foretold(found: list[Policy]) -> None:
    policies = PolicySet(tuple(found))
    for name in ("signs", "signs-de", "faces1", "faces-de", "others"):
        if "match with the same precedence" in outcome(policies, name):
            assert any("names that two policies claim" in t for t in coverage_findings(policies))


def test_the_highest_precedence_counts() -> None:
    policies = PolicySet((named("all", "*"), named("signs", "signs*", precedence=1)))
    assert outcome(policies, "SIGNS-1") == "signs"
    assert outcome(policies, "faces") == "all"
    assert coverage_findings(policies) == []


def test_a_conflict_is_named_with_globs_and_remedy() -> None:
    found = coverage_findings(PolicySet((named("signs", "signs*"), named("german", "x", "*-de"))))
    assert found == [
        "german: its '*-de' and 'signs*' of signs are for some of the same names, with the same "
        "precedence (0), and names that two policies claim are refused; give one of them a higher "
        "`precedence`"
    ]


def test_disjoint_policies_have_no_finding() -> None:
    assert coverage_findings(PolicySet((named("signs", "signs*"), named("faces", "f*")))) == []


def test_a_policy_in_the_shadow_of_others_is_named() -> None:
    policies = (
        named("signs", "signs*", precedence=2),
        named("faces", "faces*", precedence=1),
        named("both", "signs-?", "faces-?"),
    )
    assert coverage_findings(PolicySet(policies)) == [
        "both: is never reached: all its names have faces, signs, of higher precedence; remove it, "
        "or raise its `precedence`"
    ]


@pytest.mark.parametrize("precedence", [True, 1.5, "high", 1001])
def test_a_precedence_is_a_whole_number(precedence: Any) -> None:
    with pytest.raises(ValueError, match="precedence"):
        named("a", "*", precedence=precedence)


def test_a_policy_without_precedence_and_owner_keeps_its_digest(tmp_path: Path) -> None:
    usual = policy()
    assert policy(precedence=0, owner="").digest == usual.digest
    assert policy(precedence=1).digest != usual.digest
    dumped = usual.document.model_dump(mode="json", by_alias=True)
    assert not {"precedence", "owner"} & dumped.keys()
