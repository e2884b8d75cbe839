from typing import Any

import pytest

from tests.policy.builders import policy
from tests.policy.test_coverage import named, outcome
from xray_gate.core.errors import PolicyError
from xray_gate.policy.coverage import coverage_findings
from xray_gate.policy.explanation import explain_policy
from xray_gate.policy.files import Policy, PolicySet
from xray_gate.policy.matching import Undetermined
from xray_gate.policy.review import findings


def tagged(name: str = "strict", precedence: int = 1, **tags: str) -> Policy:
    return named(name, "signs*", precedence=precedence, tags=tags)


def flavoured(name: str, *flavours: str, precedence: int = 1) -> Policy:
    return named(name, "signs*", precedence=precedence, flavours=list(flavours))


def chosen(policies: PolicySet, **known: Any) -> str | None:
    found = policies.match("signs", **known)
    return None if found is None else found.name


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"tier": "prod"}, "strict"),
        ({"tier": "PROD-eu", "other": "x"}, "strict"),
        ({"tier": "dev"}, "all"),
        ({"Tier": "prod"}, "all"),
        ({}, "all"),
    ],
)
def test_tags_choose_the_policy(tags: dict[str, str], expected: str) -> None:
    policies = PolicySet((named("all", "*"), tagged(tier="prod*")))
    assert chosen(policies, tags=tags) == expected


def test_all_tags_have_to_be_there() -> None:
    policies = PolicySet((tagged(tier="prod", team="vision"),))
    assert chosen(policies, tags={"tier": "prod"}) is None
    assert chosen(policies, tags={"tier": "prod", "team": "vision"}) == "strict"


@pytest.mark.parametrize(
    ("flavours", "expected"),
    [
        (("onnx", "python_function"), "onnx"),
        (("pytorch",), "all"),
        ((), "all"),
        (("ONNX",), "onnx"),
    ],
)
def test_flavours_choose_the_policy(flavours: tuple[str, ...], expected: str) -> None:
    policies = PolicySet((named("all", "*"), flavoured("onnx", "onnx", "x")))
    assert chosen(policies, tags={}, flavours=flavours) == expected


def test_a_policy_for_every_flavour_is_not_for_a_model_without_any() -> None:
    assert chosen(PolicySet((flavoured("any", "*"),)), flavours=()) is None


def test_what_hangs_on_unknown_flavours_is_open() -> None:
    policies = PolicySet((named("all", "*"), flavoured("onnx", "onnx")))
    with pytest.raises(
        Undetermined, match=r"policy onnx is for it hangs on its flavours, .*rescan"
    ):
        policies.match("signs", tags={})
    assert [p.name for p in policies.candidates("signs", tags={})] == ["onnx", "all"]
    assert chosen(policies, tags={}, flavours=()) == "all"
    assert policies.match("faces", tags={}) is policies.policies[0]


def test_what_hangs_on_unknown_tags_is_open() -> None:
    with pytest.raises(Undetermined, match="hangs on its tags"):
        PolicySet((named("all", "*"), tagged(tier="x"))).match("signs")


def test_unknown_flavours_of_a_policy_of_lower_precedence_do_not_matter() -> None:
    policies = PolicySet((named("all", "*", precedence=2), flavoured("onnx", "onnx")))
    assert chosen(policies) == "all"
    assert [p.name for p in policies.candidates("signs")] == ["all"]


def test_a_model_of_two_flavours_cannot_choose_between_two_policies() -> None:
    policies = PolicySet((flavoured("onnx", "onnx"), flavoured("torch", "pytorch")))
    assert coverage_findings(policies) == []
    assert chosen(policies, flavours=("onnx",)) == "onnx"
    with pytest.raises(PolicyError, match="the policies onnx and torch match with the same"):
        policies.match("signs", {}, ("onnx", "pytorch"))


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        (tagged(tier="prod"), tagged("b", tier="dev"), False),
        (tagged(tier="prod"), tagged("b", tier="p*"), True),
        (tagged(tier="prod"), tagged("b", team="x"), True),
        (tagged(tier="prod"), named("b", "*", precedence=1), True),
        (flavoured("a", "onnx"), flavoured("b", "o*"), True),
        (flavoured("a", "onnx"), flavoured("b", "pytorch"), False),
        (flavoured("a", "onnx"), named("b", "*", precedence=1), True),
    ],
)
def test_conflicts_by_tags_and_flavours(one: Policy, other: Policy, conflict: bool) -> None:
    assert bool(coverage_findings(PolicySet((one, other)))) is conflict


@pytest.mark.parametrize(
    ("high", "low", "hidden"),
    [
        (tagged(tier="*"), tagged("low", 0, tier="prod"), True),
        (tagged(tier="prod"), tagged("low", 0, tier="*"), False),
        (tagged(tier="prod"), named("low", "signs"), False),
        (named("all", "*", precedence=1), tagged("low", 0, tier="prod"), True),
        (flavoured("high", "*"), flavoured("low", "onnx", precedence=0), True),
        (flavoured("high", "*"), named("low", "signs"), False),
        (named("all", "*", precedence=1), flavoured("low", "onnx", precedence=0), True),
    ],
)
def test_shadows_by_tags_and_flavours(high: Policy, low: Policy, hidden: bool) -> None:
    found = coverage_findings(PolicySet((high, low)))
    assert [text.partition(":")[0] for text in found] == (["low"] if hidden else [])


def test_check_says_that_others_choose_by_tags_and_flavours() -> None:
    said = "\n".join(findings(tagged(tier="prod")))
    assert "match.tags asks for tags, which whoever may edit the registered model sets" in said
    said = "\n".join(findings(flavoured("a", "onnx")))
    assert "match.flavours asks for flavours, which whoever registers a version writes" in said


def test_tags_and_flavours_are_explained() -> None:
    rules = named("a", "signs*", "x", tags={"tier": "prod"}, flavours=["onnx", "pyt*"])
    line = "  For: signs*, x; with the tag tier = prod; of the flavour onnx or pyt*."
    assert line in explain_policy(rules)


def test_a_policy_that_asks_for_names_only_keeps_its_digest() -> None:
    names = {"registered_models": ["signs*"]}
    assert policy(match={**names, "tags": {}, "flavours": None}).digest == policy().digest
    assert policy(match={**names, "tags": {"a": "b"}}).digest != policy().digest


@pytest.mark.parametrize(
    "match", [{"flavours": []}, {"flavours": [""]}, {"tags": {"": "x"}}, {"tags": {"x": ""}}]
)
def test_empty_globs_are_errors(match: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        named("a", "*", **match)


def test_names_are_told_before_anything_else() -> None:
    assert outcome(PolicySet((tagged(tier="x"),)), "faces") == "none"
