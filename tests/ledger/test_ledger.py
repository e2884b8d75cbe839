from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from tests.support.evidence import backdoored, clean, make_policy, unscannable
from xray_gate.core.errors import LeaseLost, PolicyError
from xray_gate.core.verdict import Decision, Enforcement, Verdict
from xray_gate.ledger.ledger import Ledger
from xray_gate.ledger.status import status_row
from xray_gate.ledger.tables import policy_sets, registrations, scans, verdicts
from xray_gate.ledger.tallies import tallies
from xray_gate.policy.decision import decide
from xray_gate.policy.files import PolicySet
from xray_gate.scan.work import Lease, VersionKey, VersionState

NOW = 1_000_000.0
ledger = Ledger()
SIGNS = VersionKey("default", "signs", 1)
FACES = VersionKey("default", "faces", 1)
PASSED = Decision(Verdict.PASSED, ("fine",), (), Enforcement.ENFORCE)


def register(engine: Engine, key: VersionKey = SIGNS, location: str = "s3://a") -> int:
    with engine.begin() as connection:
        return ledger.register(connection, key, location, NOW)


def claim(
    engine: Engine, owner: str = "one", now: float = NOW, seconds: float = 60.0
) -> Lease | None:
    with engine.begin() as connection:
        return ledger.claim(connection, owner, now, seconds)


def claimed(engine: Engine, owner: str = "one", now: float = NOW) -> Lease:
    lease = claim(engine, owner, now)
    assert lease is not None
    return lease


def settle(engine: Engine, lease: Lease, state: VersionState = VersionState.ADMITTED) -> VersionKey:
    with engine.begin() as connection:
        return ledger.settle(connection, lease, state, None)


def state_of(engine: Engine, key: VersionKey = SIGNS) -> VersionState | None:
    with engine.begin() as connection:
        found = ledger.current(connection, key)
    return None if found is None else found.state


def count(engine: Engine, table: Any) -> int:
    with engine.begin() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_a_version_that_was_never_registered_is_unknown(engine: Engine) -> None:
    assert state_of(engine) is None
    with engine.begin() as connection:
        assert ledger.current(connection, SIGNS, lock=True) is None


def test_a_registration_waits_with_its_location(engine: Engine) -> None:
    number = register(engine, location="s3://models/signs")
    with engine.begin() as connection:
        found = ledger.current(connection, SIGNS)
    assert found is not None
    assert (found.id, found.location, found.attempts) == (number, "s3://models/signs", 0)
    assert found.state is VersionState.WAITING


def test_nothing_waits_in_an_empty_ledger(engine: Engine) -> None:
    assert claim(engine) is None


def test_the_oldest_registration_is_claimed_first(engine: Engine) -> None:
    keys = [VersionKey("default", name, 1) for name in ("c", "a", "b")]
    for key in keys:
        register(engine, key)
    assert [claimed(engine, f"runner-{n}").registration.key for n in range(3)] == keys
    assert claim(engine, "one more") is None


def test_one_runner_can_claim_twice_at_the_same_instant(engine: Engine) -> None:
    register(engine, SIGNS)
    register(engine, FACES)
    taken = [claimed(engine), claimed(engine)]
    assert [lease.registration.key for lease in taken] == [SIGNS, FACES]


def test_a_lease_says_whose_it_is_and_until_when(engine: Engine) -> None:
    register(engine)
    lease = claimed(engine, "me")
    assert (lease.owner, lease.until, lease.registration.attempts) == ("me", NOW + 60, 1)


def test_a_version_that_failed_before_comes_after_those_that_did_not(engine: Engine) -> None:
    register(engine, SIGNS)
    claimed(engine)
    register(engine, FACES)
    later = NOW + 61
    assert claimed(engine, "two", later).registration.key == FACES
    assert claimed(engine, "two", later + 1).registration.key == SIGNS


def test_new_versions_do_not_hold_up_one_that_failed_once(engine: Engine) -> None:
    register(engine)
    failed = claimed(engine)
    with engine.begin() as connection:
        ledger.put_back(connection, failed, "the store is away", NOW + 30)
    seen = []
    for second in range(1, 60):
        with engine.begin() as connection:
            key = VersionKey("default", f"flood-{second}", 1)
            ledger.register(connection, key, "s3://b", NOW + second)
        lease = claimed(engine, now=NOW + second)
        settle(engine, lease, VersionState.REFUSED)
        seen.append(lease.registration.key)
    assert seen[:29] == [VersionKey("default", f"flood-{n}", 1) for n in range(1, 30)]
    assert SIGNS in seen[29:31]


def test_a_lease_holds_until_it_runs_out(engine: Engine) -> None:
    register(engine)
    claimed(engine, "one")
    assert claim(engine, "two", NOW + 59.9) is None
    again = claimed(engine, "two", NOW + 60)
    assert again.registration.attempts == 2


def test_a_renewed_lease_is_not_given_away(engine: Engine) -> None:
    register(engine)
    lease = claimed(engine, "one")
    with engine.begin() as connection:
        ledger.renew(connection, lease, NOW + 50, 60)
    assert claim(engine, "two", NOW + 100) is None
    assert claim(engine, "two", NOW + 110) is not None


def test_a_lost_lease_can_be_neither_renewed_nor_settled(engine: Engine) -> None:
    register(engine)
    lost = claimed(engine, "one")
    claimed(engine, "two", NOW + 60)
    with engine.begin() as connection, pytest.raises(LeaseLost, match="signs/1"):
        ledger.renew(connection, lost, NOW + 61, 60)
    with pytest.raises(LeaseLost, match="result of this scan is dropped"):
        settle(engine, lost)
    assert state_of(engine) is VersionState.WAITING


def test_the_same_runner_cannot_use_a_lease_that_it_lost_and_took_again(engine: Engine) -> None:
    register(engine)
    old = claimed(engine, "one")
    new = claimed(engine, "one", NOW + 60)
    with pytest.raises(LeaseLost):
        settle(engine, old)
    settle(engine, new)
    assert state_of(engine) is VersionState.ADMITTED


def test_a_settled_lease_cannot_be_settled_again(engine: Engine) -> None:
    register(engine)
    lease = claimed(engine)
    settle(engine, lease, VersionState.REFUSED)
    with pytest.raises(LeaseLost):
        settle(engine, lease, VersionState.ADMITTED)
    assert state_of(engine) is VersionState.REFUSED


def test_a_settled_version_is_not_claimed_again(engine: Engine) -> None:
    register(engine)
    settle(engine, claimed(engine))
    assert claim(engine, "two", NOW + 1e6) is None


def test_a_deleted_version_is_nobodys_work(engine: Engine) -> None:
    register(engine)
    lease = claimed(engine)
    with engine.begin() as connection:
        ledger.close(connection, SIGNS)
    assert claim(engine, "two", NOW + 1e6) is None
    with pytest.raises(LeaseLost, match="or deleted"):
        settle(engine, lease)
    assert state_of(engine) is VersionState.DELETED


def test_registrations_follow_a_new_name(engine: Engine) -> None:
    register(engine, SIGNS)
    with engine.begin() as connection:
        ledger.rename(connection, SIGNS, "faces")
    assert state_of(engine, SIGNS) is None
    assert state_of(engine, FACES) is VersionState.WAITING
    assert claimed(engine).registration.key == FACES


def test_a_rename_during_a_scan_ends_the_lease(engine: Engine) -> None:
    """The scan was made for the old name's policy: the version is scanned again."""
    register(engine, SIGNS)
    lease = claimed(engine, "one")
    with engine.begin() as connection:
        ledger.rename(connection, SIGNS, "faces")
    with pytest.raises(LeaseLost):
        settle(engine, lease)
    again = claimed(engine, "two", NOW + 1)
    assert again.registration.key == FACES
    assert settle(engine, again) == FACES


def test_a_name_that_is_used_again_is_a_new_registration(engine: Engine) -> None:
    first = register(engine)
    settle(engine, claimed(engine))
    with engine.begin() as connection:
        ledger.close(connection, SIGNS)
    second = register(engine)
    with engine.begin() as connection:
        found = ledger.current(connection, SIGNS)
        listed = ledger.registrations_of(connection, "default", "signs", None)
    assert found is not None
    assert found.id == second > first
    assert found.state is VersionState.WAITING
    assert [item.id for item in listed] == [second]


def test_a_deleted_version_does_not_hide_one_that_was_renamed_to_its_name(engine: Engine) -> None:
    older = register(engine, FACES)
    register(engine, SIGNS)
    with engine.begin() as connection:
        ledger.close(connection, SIGNS)
        ledger.rename(connection, FACES, "signs")
    with engine.begin() as connection:
        found = ledger.current(connection, SIGNS)
        listed = ledger.registrations_of(connection, "default", "signs", 1)
    assert found is not None
    assert (found.id, found.state) == (older, VersionState.WAITING)
    assert [item.id for item in listed] == [older]


def test_workspaces_are_kept_apart(engine: Engine) -> None:
    register(engine, VersionKey("team-a", "signs", 1))
    assert state_of(engine, SIGNS) is None
    with engine.begin() as connection:
        ledger.close(connection, SIGNS)
    assert state_of(engine, VersionKey("team-a", "signs", 1)) is VersionState.WAITING


def test_versions_of_a_name_are_listed_from_the_newest(engine: Engine) -> None:
    for version in (1, 2, 3):
        register(engine, VersionKey("default", "signs", version))
    register(engine, FACES)
    with engine.begin() as connection:
        every = ledger.registrations_of(connection, "default", "signs", None)
        one = ledger.registrations_of(connection, "default", "signs", 2)
    assert [item.key.version for item in every] == [3, 2, 1]
    assert [item.key.version for item in one] == [2]


def test_waiting_versions_are_counted(engine: Engine) -> None:
    register(engine, SIGNS)
    register(engine, FACES)
    settle(engine, claimed(engine))
    with engine.begin() as connection:
        assert tallies(connection).waiting == 1


def test_evidence_is_read_back_as_it_was_written(engine: Engine) -> None:
    number = register(engine)
    lease, evidence = claimed(engine), clean()
    with engine.begin() as connection:
        assert ledger.evidence_of(connection, lease.registration) is None
        ledger.settle(connection, lease, VersionState.ADMITTED, evidence.scan_id)
        ledger.record_scan(connection, evidence, "r" * 32, NOW)
    with engine.begin() as connection:
        found = ledger.current(connection, SIGNS)
        assert found is not None
        assert found.id == number
        assert ledger.evidence_of(connection, found) == evidence


def test_evidence_with_a_number_that_json_has_not_is_refused(engine: Engine) -> None:
    evidence = clean()
    object.__setattr__(evidence, "environment", {"score": float("nan")})
    with engine.begin() as connection, pytest.raises(ValueError, match="not JSON compliant"):
        ledger.record_scan(connection, evidence, None, NOW)
    assert count(engine, scans) == 0


def test_verdicts_only_grow_and_are_read_newest_first(engine: Engine, tmp_path: Path) -> None:
    number = register(engine)
    policy = make_policy(tmp_path)
    found = [unscannable(), backdoored(), clean()]
    with engine.begin() as connection:
        for at, evidence in enumerate(found):
            ledger.record_scan(connection, evidence, f"run-{at}", NOW + at)
            ledger.record_verdict(
                connection,
                number,
                decide(policy, evidence),
                (policy.name, policy.digest),
                evidence.scan_id,
                NOW + at,
            )
        registration = ledger.current(connection, SIGNS)
        assert registration is not None
        rows = ledger.verdicts(connection, registration)
    assert [row.verdict for row in rows] == ["passed", "failed", "undecided"]
    assert [row.admits for row in rows] == [True, False, False]
    assert [row.run_id for row in rows] == ["run-2", "run-1", "run-0"]
    assert rows[0].policy_digest == policy.digest
    assert rows[0].digest == clean().model.digest
    assert "suspected target label 2" in rows[1].reasons[0]


def test_a_status_without_a_verdict_says_that_there_is_none(engine: Engine) -> None:
    register(engine)
    with engine.begin() as connection:
        registration = ledger.current(connection, SIGNS)
        assert registration is not None
        row = status_row(ledger, connection, registration)
    assert (row["state"], row["verdict"], row["reasons"]) == ("waiting", None, [])


def test_a_verdict_without_a_scan_has_no_digest(engine: Engine) -> None:
    number = register(engine)
    with engine.begin() as connection:
        ledger.record_verdict(connection, number, PASSED, ("p", "d"), None, NOW)
        registration = ledger.current(connection, SIGNS)
        assert registration is not None
        (row,) = ledger.verdicts(connection, registration)
    assert (row.scan_id, row.run_id, row.digest) == (None, None, None)


def test_policies_are_written_down_once_for_each_change(engine: Engine, tmp_path: Path) -> None:
    first = PolicySet((make_policy(tmp_path),))
    second = PolicySet((make_policy(tmp_path, min_probe_accuracy=0.9),))
    for policies in (first, first, second, second, first):
        with engine.begin() as connection:
            ledger.remember_policies(connection, policies, NOW)
            assert ledger.server_policies(connection) == policies
    assert count(engine, policy_sets) == 3


def test_without_a_server_there_are_no_policies(engine: Engine) -> None:
    with engine.begin() as connection, pytest.raises(PolicyError, match="XRAY_GATE_POLICY"):
        ledger.server_policies(connection)


def test_the_runner_seen_last_is_remembered(engine: Engine) -> None:
    with engine.begin() as connection:
        assert ledger.last_runner(connection) is None
        ledger.runner_seen(connection, "one", NOW)
        ledger.runner_seen(connection, "two", NOW + 5)
        ledger.runner_seen(connection, "one", NOW + 3)
        assert ledger.last_runner(connection) == NOW + 5
        ledger.runner_seen(connection, "one", NOW + 9)
        assert ledger.last_runner(connection) == NOW + 9


def test_nothing_is_written_before_the_caller_commits(engine: Engine) -> None:
    with engine.connect() as connection:
        number = ledger.register(connection, SIGNS, "s3://a", NOW)
        ledger.record_verdict(connection, number, PASSED, ("p", "d"), None, NOW)
        connection.rollback()
    assert (count(engine, registrations), count(engine, verdicts)) == (0, 0)
