"""Which exceptions admit what a verdict does not, and which do not count."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, sampled_from

from tests.support.evidence import (
    DIGEST,
    backdoored,
    clean,
    day,
    evidence_of,
    exception_document,
    policy_document,
    unscannable,
    write_exception,
    write_policy,
)
from xray_gate.core.access import Access
from xray_gate.core.errors import PolicyError
from xray_gate.core.evidence import DetectorEvidence, Evidence, ModelFacts, RunState
from xray_gate.core.verdict import Decision, Verdict, excuses_text
from xray_gate.policy.decision import decide
from xray_gate.policy.difference import difference
from xray_gate.policy.document import PolicyDocument
from xray_gate.policy.effects import Effect
from xray_gate.policy.exception_document import ExceptionDocument
from xray_gate.policy.exceptions import decide_now, excuse_for_age
from xray_gate.policy.files import Policy, PolicyPlace, PolicySet, read_policies
from xray_gate.policy.replay import PastScan, enforced, replay
from xray_gate.policy.review import exception_findings, exceptions_told, findings

ALLOWED: dict[str, Any] = {"exceptions": {"most_days": 30}}
DAY = 86_400.0


def policies(folder: Path, **changes: Any) -> PolicySet:
    write_policy(folder, policy_document(**{**ALLOWED, **changes}))
    return read_policies(folder)


def judged(folder: Path, evidence: Evidence, at: float | None = None) -> Decision:
    (policy,) = policies(folder).policies
    return decide_now(policy, evidence, time.time() if at is None else at)


def test_it_admits_and_leaves_the_verdict_what_it_is(tmp_path: Path) -> None:
    write_exception(tmp_path)
    decision = judged(tmp_path, backdoored())
    assert (decision.verdict, decision.admits) == (Verdict.FAILED, True)
    (excuse,) = decision.excused_by
    assert (excuse.name, excuse.rule, excuse.ticket) == ("known-attractor", "model_xray", "PLAT-7")
    assert decision.admits_until == excuse.until
    now = excuse.until - 12 * DAY + 3600
    assert excuses_text([excuse], now) == (
        f"admitted by 1 exception, expires in 12 days ({day(12)})"
    )
    assert excuses_text([excuse]) == f"admitted by 1 exception, expires on {day(12)}"


def test_it_is_not_asked_where_the_verdict_admits(tmp_path: Path) -> None:
    write_exception(tmp_path)
    assert judged(tmp_path, clean()).excused_by == ()
    (policy,) = policies(tmp_path, enforcement="audit").policies
    assert decide_now(policy, backdoored(), time.time()).excused_by == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "sha256:" + "cd" * 32},
        {"rule": "undecided"},
        {"rule": "age"},
        {"policy": "others"},
        {"created": day(-13), "expires": day(-1)},
        {"created": day(-12), "expires": day(0)},
        {"created": day(2), "expires": day(12)},
        {"created": day(0), "expires": day(31)},
        {"created": day(0), "expires": day(0)},
        {"created": day(0), "expires": day(-3)},
        {"rule": "no_such_detector"},
        {"ticket": "  "},
        {"owner": ""},
        {"expires": "soon"},
        {"expires": "2026-13-41"},
        {"kind": "Policy"},
        {"name": "two\nlines"},
        {"name": "[a](b)"},
        {"apiVersion": "xray-gate/v2"},
        {"model": "models:/signs/1"},
        {"model": "sha256:AB"},
        {"unsafe": True},
    ],
)
def test_what_does_not_count_admits_nothing(tmp_path: Path, changes: dict[str, Any]) -> None:
    write_exception(tmp_path, **changes)
    decision = judged(tmp_path, backdoored())
    assert (decision.verdict, decision.admits) == (Verdict.FAILED, False)


@pytest.mark.parametrize("missing", sorted(exception_document()))
def test_every_key_is_needed(tmp_path: Path, missing: str) -> None:
    path = write_exception(tmp_path)
    lines = [line for line in path.read_text().splitlines() if not line.startswith(f"{missing}:")]
    path.write_text("\n".join(lines))
    found = policies(tmp_path)
    assert [item for item in found.problems if f": {missing}: is missing; add it" in item]
    assert not judged(tmp_path, backdoored()).admits


def test_without_the_policys_leave_there_are_none(tmp_path: Path) -> None:
    write_exception(tmp_path)
    (policy,) = policies(tmp_path, exceptions=None).policies
    assert not decide_now(policy, backdoored(), time.time()).admits


def test_it_counts_from_the_beginning_of_one_day_to_that_of_another(tmp_path: Path) -> None:
    write_exception(tmp_path, created="2026-03-01", expires="2026-03-11")
    first, last = 1_772_323_200.0, 1_773_187_200.0
    for at, admits in ((first - 1, False), (first, True), (last - 1, True), (last, False)):
        assert judged(tmp_path, backdoored(), at).admits is admits


def test_each_ground_needs_one_of_its_own(tmp_path: Path) -> None:
    crashed = DetectorEvidence(
        "trigger_sweep", Access.HARD_LABEL, RunState.ERRORED, reason="it crashed; scan again"
    )
    (xray,) = backdoored().detectors
    evidence = evidence_of(0.2, detectors=(xray, crashed))
    document = policy_document(**ALLOWED)
    document["detectors"]["trigger_sweep"] = {}
    write_policy(tmp_path, document)

    def admits() -> bool:
        (policy,) = read_policies(tmp_path).policies
        return decide_now(policy, evidence, time.time()).admits

    write_exception(tmp_path)
    assert not admits()
    second = write_exception(tmp_path, name="crash", rule="undecided")
    assert admits()
    second.unlink()
    # What another detector finds is not what it left open.
    write_exception(tmp_path, name="sweep", rule="trigger_sweep")
    assert not admits()


def test_a_required_detector_that_never_ran_is_a_ground(tmp_path: Path) -> None:
    document = policy_document(**ALLOWED)
    document["detectors"]["trigger_sweep"] = {}
    write_policy(tmp_path, document)
    write_exception(tmp_path)
    (policy,) = read_policies(tmp_path).policies
    assert not decide_now(policy, backdoored(), time.time()).admits


def test_an_undecided_version_has_a_class_of_its_own(tmp_path: Path) -> None:
    write_exception(tmp_path)
    assert not judged(tmp_path, unscannable()).admits
    write_exception(tmp_path, name="open", rule="undecided")
    assert judged(tmp_path, unscannable()).admits
    unread = replace(unscannable(), model=ModelFacts("models:/signs/1", "unknown", "unknown", 0))
    assert not judged(tmp_path, unread).admits


def test_the_one_that_lasts_longest_is_named(tmp_path: Path) -> None:
    write_exception(tmp_path)
    write_exception(tmp_path, name="longer", expires=day(20))
    assert [one.name for one in judged(tmp_path, backdoored()).excused_by] == ["longer"]


def test_an_old_scan_is_excused_by_an_exception_for_age_alone(tmp_path: Path) -> None:
    write_exception(tmp_path)
    (policy,) = policies(tmp_path).policies
    assert excuse_for_age(policy, clean(), time.time()) is None
    write_exception(tmp_path, name="old", rule="age")
    (policy,) = policies(tmp_path).policies
    found = excuse_for_age(policy, clean(), time.time())
    assert found is not None
    assert found.name == "old"


PROBLEMS = [
    ({"policy": "imagse"}, "policy: there is no 'imagse'; use one of images"),
    ({"rule": "x_ray"}, "rule: 'x_ray' is none; use one of model_xray, undecided, age"),
    ({"expires": day(31)}, "expires: it lasts 31 days, and images allows 30"),
    ({"expires": day(0)}, "is not after created"),
    ({"expiry": day(3)}, "expiry: is not a setting; did you mean `expires`?"),
    ({"expires": "soon"}, "expires: is no day; write it as 2026-12-31"),
]


@pytest.mark.parametrize(("changes", "words"), PROBLEMS)
def test_a_problem_names_file_line_key_and_remedy(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    path = write_exception(tmp_path, **changes)
    (problem,) = policies(tmp_path).problems
    (key,) = changes
    (line,) = [
        number
        for number, text in enumerate(path.read_text().splitlines(), 1)
        if text.startswith(f"{key}:")
    ]
    assert problem.startswith(f"{path}:{line}: ")
    assert words in problem


def test_broken_ones_take_nothing_down(tmp_path: Path) -> None:
    """The policies stay in force, and so do the exceptions that can be read."""
    write_exception(tmp_path)
    (tmp_path / "a.exception.yaml").write_text("model: [\n")
    (tmp_path / "b.exception.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "c.exception.yml").write_text("- a list\n")
    (tmp_path / "d.exception.yaml").mkdir()
    found = policies(tmp_path)
    assert len(found.problems) == 4
    assert judged(tmp_path, backdoored()).admits


def test_of_two_with_one_name_neither_counts(tmp_path: Path) -> None:
    path = write_exception(tmp_path)
    (tmp_path / "again.exception.yaml").write_text(path.read_text())
    assert [item for item in policies(tmp_path).problems if "two exceptions are named" in item]
    assert not judged(tmp_path, backdoored()).admits


def test_a_rule_that_means_two_things_is_refused(tmp_path: Path) -> None:
    document = policy_document(**ALLOWED)
    document["detectors"]["others"] = {"age": {"mode": "optional"}}
    write_policy(tmp_path, document)
    write_exception(tmp_path, rule="age")
    (problem,) = read_policies(tmp_path).problems
    assert "'age' is a detector's name, too" in problem


def test_a_policys_own_file_knows_those_beside_it(tmp_path: Path) -> None:
    path = write_policy(tmp_path, policy_document(**ALLOWED))
    write_exception(tmp_path)
    write_exception(tmp_path, name="elsewhere", policy="others")
    found = read_policies(path)
    assert found.problems == ()
    assert [one.name for one in found.policies[0].exceptions] == ["known-attractor"]


def test_it_is_read_again_when_it_changes(tmp_path: Path) -> None:
    write_policy(tmp_path, policy_document(**ALLOWED))
    place = PolicyPlace(tmp_path)

    def names() -> list[str]:
        return [one.name for one in place.current().policies[0].exceptions]

    assert names() == []
    path = write_exception(tmp_path)
    assert names() == ["known-attractor"]
    path.write_text("broken")
    assert names() == []
    write_exception(tmp_path)
    assert names() == ["known-attractor"]
    path.unlink()
    assert names() == []


def test_digests_stay_what_they_were(tmp_path: Path) -> None:
    (plain,) = policies(tmp_path, exceptions=None).policies
    without = policies(tmp_path)
    assert "exceptions" not in plain.to_json()["document"]
    write_exception(tmp_path)
    found = policies(tmp_path)
    assert found.policies[0].digest == without.policies[0].digest
    assert "exceptions" not in without.to_json()[0]
    # A runner that reads the set anew has to notice.
    assert found.digest != without.digest


def test_the_ledger_gives_them_back(tmp_path: Path) -> None:
    write_exception(tmp_path)
    found = policies(tmp_path)
    assert PolicySet.from_json(found.to_json()) == found
    broken = found.to_json()
    broken[0]["exceptions"][0]["expires"] = "never"
    with pytest.raises(PolicyError, match="cannot be read by this version"):
        PolicySet.from_json(broken)


def test_what_the_ledger_kept_is_held_against_the_policy_again(tmp_path: Path) -> None:
    write_exception(tmp_path)
    kept = policies(tmp_path).to_json()
    kept[0]["exceptions"][0]["expires"] = day(300)
    (policy,) = PolicySet.from_json(kept).policies
    assert not decide_now(policy, backdoored(), time.time()).admits


def test_a_replay_knows_them(tmp_path: Path) -> None:
    write_exception(tmp_path)
    scan = PastScan("signs/1", "signs", backdoored(), Verdict.FAILED, False)

    def replayed(found: PolicySet, one: PastScan = scan, at: float | None = None) -> Any:
        (row,) = replay(found, [one], lambda *_: False, at or time.time())
        return row

    row = replayed(policies(tmp_path))
    assert (str(row.after), len(row.excused_by)) == ("failed, admitted", 1)
    audited = enforced(policies(tmp_path, enforcement="audit"))
    assert len(replayed(audited).excused_by) == 1
    late = replayed(policies(tmp_path), at=time.time() + 13 * DAY)
    assert (str(late.after), late.excused_by) == ("failed, refused", ())
    gone = replayed(policies(tmp_path), replace(scan, withdrawn=True))
    assert (str(gone.after), gone.excused_by) == ("undecided, refused", ())


def test_a_withdrawn_version_is_excused_by_nothing(tmp_path: Path) -> None:
    write_exception(tmp_path, rule="undecided")
    scan = PastScan("signs/1", "signs", unscannable(), Verdict.UNDECIDED, False, withdrawn=True)
    (row,) = replay(policies(tmp_path), [scan], lambda *_: False, time.time())
    assert not row.after.admits


def test_a_check_lists_those_that_count_and_those_that_do_not(tmp_path: Path) -> None:
    write_exception(tmp_path)
    write_exception(tmp_path, name="old", created=day(-10), expires=day(-1))
    (policy,) = policies(tmp_path).policies
    assert any("exceptions of up to 30 days" in text for text in findings(policy))
    (finding,) = exception_findings(policy, time.time())
    assert finding.startswith(f"the exception old: expires: it has expired on {day(-1)}")
    (told,) = exceptions_told(policy, time.time())
    assert told.startswith(
        f"exception known-attractor: admits {DIGEST[:19]} in spite of model_xray"
    )
    assert "expires in 12 days" in told


def test_a_difference_names_them(tmp_path: Path) -> None:
    def changes(before: Policy, after: Policy) -> list[tuple[str, Effect]]:
        found = difference(PolicySet((before,)), PolicySet((after,)))
        return [(change.path, change.effect) for one in found for change in one.changes]

    (plain,) = policies(tmp_path, exceptions=None).policies
    (allowing,) = policies(tmp_path).policies
    write_exception(tmp_path)
    (granting,) = policies(tmp_path).policies
    assert changes(plain, allowing) == [("exceptions.most_days", Effect.WEAKER)]
    assert changes(allowing, plain) == [("exceptions.most_days", Effect.STRICTER)]
    assert changes(allowing, granting) == [("exception known-attractor", Effect.WEAKER)]
    assert changes(granting, allowing) == [("exception known-attractor", Effect.STRICTER)]
    write_exception(tmp_path, expires=day(13))
    (longer,) = policies(tmp_path).policies
    assert changes(granting, longer) == [("exception known-attractor", Effect.WEAKER)]


def test_every_day_that_is_none_is_refused(tmp_path: Path) -> None:
    for text in ("2026-1-5", "20261231", "2026-12-31T00:00", "31.12.2026", "9999999-01-01"):
        write_exception(tmp_path, expires=text)
        assert policies(tmp_path).problems
        assert not judged(tmp_path, backdoored()).admits


@given(
    model=sampled_from([DIGEST, "sha256:" + "cd" * 32]),
    rules=lists(sampled_from(["model_xray", "trigger_sweep", "undecided", "age"]), max_size=3),
    begins=integers(-40, 5),
    lasts=integers(1, 60),
    found=sampled_from([clean(), backdoored(), unscannable()]),
)
def test_one_admits_only_these_bytes_this_rule_and_these_days(
    model: str, rules: list[str], begins: int, lasts: int, found: Evidence
) -> None:
    document = PolicyDocument.model_validate(policy_document(**ALLOWED))
    exceptions = tuple(
        ExceptionDocument.model_validate(
            exception_document(
                f"number-{number}",
                model=model,
                rule=rule,
                created=day(begins),
                expires=day(begins + lasts),
            )
        )
        for number, rule in enumerate(rules)
    )
    policy = Policy(document, None, None, exceptions=exceptions)
    now = datetime.now(UTC).replace(hour=12).timestamp()
    decision = decide_now(policy, found, now)
    plain = decide(policy, found)
    assert (decision.verdict, decision.reasons) == (plain.verdict, plain.reasons)
    counts = model == DIGEST and begins <= 0 < begins + lasts and lasts <= 30
    ground = {Verdict.FAILED: "model_xray", Verdict.UNDECIDED: "undecided"}.get(plain.verdict)
    assert decision.admits is (plain.verdict is Verdict.PASSED or (counts and ground in rules))
