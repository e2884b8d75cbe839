"""The modes of a policy, at each place."""

from pathlib import Path
from typing import Any

import pytest

from tests.policy.builders import document, policy, write
from tests.policy.test_difference import changes
from xray_gate.core.errors import PolicyError
from xray_gate.core.verdict import Enforcement, Place
from xray_gate.policy.effects import Effect
from xray_gate.policy.explanation import explain_policy
from xray_gate.policy.files import Policy, read_policy
from xray_gate.policy.review import findings


def said_by(tmp_path: Path, **settings: Any) -> str:
    with pytest.raises(PolicyError) as caught:
        read_policy(write(tmp_path / "a.yaml", document(**settings)))
    return str(caught.value)


@pytest.mark.parametrize("word", list(Enforcement))
def test_a_word_is_for_all_places(word: Enforcement) -> None:
    assert {policy(enforcement=word.value).document.mode(place) for place in Place} == {word}


def test_a_place_that_is_not_named_enforces() -> None:
    found = policy(enforcement={"registration": "audit", "pre_commit": "off"}).document
    assert [found.mode(place) for place in Place] == ["audit", "enforce", "enforce", "off"]


def test_a_policy_with_modes_survives_its_json() -> None:
    before = policy(enforcement={"promotion": "warn"})
    after = Policy.from_json(before.to_json())
    assert (after, after.digest) == (before, before.digest)


def test_a_word_keeps_its_digest() -> None:
    dumped = policy(enforcement="audit").document.model_dump(mode="json", by_alias=True)
    assert dumped["enforcement"] == "audit"
    assert "unsafe_admit_undecided" not in dumped


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"enforcement": {"registratoin": "audit"}},
            "enforcement.registratoin: is not a setting; did you mean `registration`?",
        ),
        (
            {"enforcement": "enforced"},
            "enforcement: is 'enforced'; did you mean 'enforce'? Allowed",
        ),
        (
            {"enforcement": {"promotion": "no"}},
            "enforcement.promotion: is 'no'; write 'enforce', 'warn', 'audit'",
        ),
        ({"enforcement": ["warn"]}, "enforcement: is neither a mode (enforce, warn, audit, off)"),
        ({"enforcement": False}, "enforcement: is neither a mode"),
        (
            {"match": {"registered_models": ["a"], "flavors": ["onnx"]}},
            "match.flavors: is not a setting; did you mean `flavours`?",
        ),
        (
            {"match": {"registered_models": ["a"], "tag": {"a": "b"}}},
            "match.tag: is not a setting; did you mean `tags`?",
        ),
        ({"precedense": 1}, "precedense: is not a setting; did you mean `precedence`?"),
        (
            {"unsafe_admit_undecide": True},
            "unsafe_admit_undecide: is not a setting; did you mean `unsafe_admit_undecided`?",
        ),
        (
            {"match": {"registered_models": ["a"], "tags": {"a": 1}}},
            "match.tags.a: is 1; write a text",
        ),
    ],
)
def test_mistakes_are_named_with_their_place(
    tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    assert said in said_by(tmp_path, **settings)


@pytest.mark.parametrize(
    ("enforcement", "said"),
    [
        ({"registration": "off"}, "enforcement at registration is off, so that versions become"),
        ({"registration": "warn"}, "registration is warn, so that suspected versions become READY"),
        ({"promotion": "off"}, "promotion is off, so that versions are promoted without any"),
        ({"promotion": "audit"}, "promotion is audit, so that suspected versions are promoted"),
        ({"pull_request": "off"}, "pull_request is off, so that pull requests with suspected"),
        ({"pre_commit": "warn"}, "pre_commit is warn, so that suspected models can be committed"),
        ("off", "enforcement at promotion is off"),
    ],
)
def test_check_lists_every_mode_that_weakens(enforcement: Any, said: str) -> None:
    assert said in "\n".join(findings(policy(enforcement=enforcement)))


@pytest.mark.parametrize("rule", ["unsafe_admit_undecided", "unsafe_admit_not_applicable"])
def test_check_and_explain_name_the_unsafe_rules(rule: str) -> None:
    changes: Any = {rule: True}
    rules = policy(**changes)
    assert any(text.startswith(f"{rule} admits") for text in findings(rules))
    assert any(f"admitted all the same ({rule})" in line for line in explain_policy(rules))


def test_modes_are_explained_by_place() -> None:
    lines = explain_policy(policy(enforcement={"registration": "off", "pull_request": "warn"}))
    start = lines.index("  Enforcement:")
    assert lines[start + 1 : start + 5] == [
        "    registration: becomes READY at once and unscanned (off).",
        "    promotion: only what passed (enforce).",
        "    pull_request: says what was found, and passes (warn).",
        "    pre_commit: fails on what did not pass (enforce).",
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("enforce", "off", {"enforcement": Effect.WEAKER}),
        ("off", "audit", {"enforcement": Effect.STRICTER}),
        ("enforce", {"registration": "audit"}, {"enforcement.registration": Effect.WEAKER}),
        ({"promotion": "off"}, {"promotion": "warn"}, {"enforcement.promotion": Effect.STRICTER}),
        ("audit", {place.value: "audit" for place in Place}, {}),
    ],
)
def test_a_change_of_modes_is_told_by_place(
    tmp_path: Path, before: Any, after: Any, expected: dict[str, Effect]
) -> None:
    found = changes(tmp_path, {"enforcement": before}, {"enforcement": after})
    assert {change.path: change.effect for change in found} == expected
