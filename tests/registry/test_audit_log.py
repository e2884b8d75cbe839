"""Each event makes its line, in its own transaction; a refusal, too."""

from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from sqlalchemy import text

from tests.registry.standing import strict_policy
from tests.support.audit import audit_lines, told
from tests.support.evidence import backdoored, clean, unscannable
from tests.support.gate import SOURCE, Gate, assert_refused
from xray_gate.core.audit_chain import Damage
from xray_gate.policy.decision import decide
from xray_gate.registry.refused_promotions import AT_ONCE
from xray_gate.registry.rescanning import rescan
from xray_gate.registry.revoking import revoke
from xray_gate.registry.work import RegistryWork
from xray_gate.scan.work import Settlement, VersionKey
from xray_gate.wiring.auditing import check_log

KEY = VersionKey("default", "signs", 1)
RUNNER = "runner-1 (runner)"


@pytest.fixture
def signed_in(database: str, tmp_path: Path, pytestconfig: pytest.Config) -> Gate:
    """A gate whose server knows who asks: `ann`."""
    triggers = bool(pytestconfig.getoption("--with-triggers"))
    return Gate(database, tmp_path / "policies", triggers=triggers, user=lambda: "ann")


def last(gate: Gate) -> dict[str, Any]:
    return audit_lines(gate)[-1]


def policy_of(gate: Gate, name: str = "signs") -> tuple[str, str]:
    policy = gate.parts.policies().match(name)
    assert policy is not None
    return policy.name, policy.digest


def policy_in(line: dict[str, Any]) -> tuple[str, str]:
    return line["policy"], line["policy_digest"]


def test_it_begins_with_what_was_there_before_and_the_policies(gate: Gate) -> None:
    began, policies = audit_lines(gate)
    assert (began["event"], began["via"], began["actor"]) == ("log_began", "upgrade", None)
    nothing = {"registrations": 0, "scans": 0, "verdicts": 0, "revocations": 0}
    assert began["details"] == {"format": 1, **nothing}
    assert (policies["event"], policies["actor"]) == ("policy_changed", None)
    name, digest = policy_of(gate)
    assert policies["details"]["policies"] == [f"{name} {digest}"]
    assert policies["details"]["digest"] == gate.parts.policies().digest


def test_a_version_goes_from_registration_to_promotion(signed_in: Gate) -> None:
    signed_in.admitted()
    signed_in.store.set_registered_model_alias("signs", "champion", 1)
    assert told(signed_in) == [
        "registered signs/1 ann (server)",
        f"scanned signs/1 {RUNNER}",
        f"verdict signs/1 {RUNNER}",
        "promotion_granted signs/1 ann (server)",
    ]
    registered, scanned, verdict, granted = audit_lines(signed_in)[-4:]
    assert registered["details"]["location"] == SOURCE
    assert verdict["details"]["verdict"] == "passed"
    assert verdict["details"]["scan_id"] == scanned["details"]["scan_id"]
    assert verdict["details"]["digest"] == clean().model.digest
    assert granted["details"] == {"alias": "champion"}
    for line in (registered, scanned, verdict, granted):
        assert policy_in(line) == policy_of(signed_in)


def test_without_an_authenticated_user_there_is_none(gate: Gate) -> None:
    gate.register()
    assert told(gate) == ["registered signs/1 None (server)"]


def test_a_refused_promotion_has_a_line_of_its_own(signed_in: Gate) -> None:
    signed_in.judged(backdoored())
    before = audit_lines(signed_in)
    with assert_refused():
        signed_in.store.set_registered_model_alias("signs", "champion", 1)
    with assert_refused():
        signed_in.store.transition_model_version_stage("signs", 1, "Production", False)
    alias, stage = audit_lines(signed_in)[len(before) :]
    assert told(signed_in)[-2:] == ["promotion_refused signs/1 ann (server)"] * 2
    assert alias["details"]["alias"] == "champion"
    assert stage["details"]["stage"] == "Production"
    assert "the verdict under policy images is failed" in alias["details"]["reason"]
    assert signed_in.store.get_model_version("signs", 1).aliases == []


def test_so_has_one_that_no_policy_is_for(gate: Gate) -> None:
    gate.admitted()
    gate.set_policy(match={"registered_models": ["others*"]})
    with assert_refused("no policy matches"):
        gate.store.set_registered_model_alias("signs", "champion", 1)
    assert last(gate)["event"] == "promotion_refused"
    assert "no policy matches" in last(gate)["details"]["reason"]


def test_what_no_policy_is_for_is_refused_at_its_registration(gate: Gate) -> None:
    gate.register("unknown")
    assert told(gate) == [
        "registered unknown/1 None (server)",
        "verdict unknown/1 None (server)",
    ]
    assert last(gate)["details"]["verdict"] == "undecided"
    assert last(gate)["policy"] is None


def test_a_stage_a_free_alias_and_a_free_stage(gate: Gate) -> None:
    gate.set_policy(promotion={"free_aliases": ["candidate"]})
    gate.register()
    gate.store.set_registered_model_alias("signs", "candidate", 1)
    assert last(gate)["details"] == {"alias": "candidate", "free": True}
    gate.settle(clean())
    gate.store.transition_model_version_stage("signs", 1, "Staging", False)
    assert last(gate)["details"] == {"stage": "Staging"}
    # The policy that let it through, since it had changed.
    changes = [line for line in audit_lines(gate) if line["event"] == "policy_changed"]
    assert len(changes) == 2


def test_copies_granted_and_refused(signed_in: Gate) -> None:
    strict_policy(signed_in)
    signed_in.admitted()
    store = signed_in.store
    for name in ("signs-production", "strict"):
        store.create_registered_model(name)
    original = store.get_model_version("signs", 1)
    store.copy_model_version(original, "signs-production")
    assert told(signed_in)[-3:] == [
        "registered signs-production/1 ann (server)",
        "verdict signs-production/1 ann (server)",
        "promotion_granted signs-production/1 ann (server)",
    ]
    assert last(signed_in)["details"] == {"copy_of": "signs/1"}
    with assert_refused("cannot be copied"):
        store.copy_model_version(original, "strict")
    assert told(signed_in)[-1] == "promotion_refused strict/1 ann (server)"
    assert last(signed_in)["details"]["copy_of"] == "signs/1"
    assert signed_in.registration("strict") is None


def test_a_copy_that_is_granted_and_waits_for_a_scan_of_its_own(signed_in: Gate) -> None:
    signed_in.set_policy(enforcement={"registration": "enforce", "promotion": "audit"})
    signed_in.judged(backdoored())
    signed_in.store.create_registered_model("signs-2")
    copy = signed_in.store.create_model_version("signs-2", "models:/signs/1")
    assert copy.status == "PENDING_REGISTRATION"
    assert told(signed_in)[-2:] == [
        "registered signs-2/1 ann (server)",
        "promotion_granted signs-2/1 ann (server)",
    ]


def test_a_rename_granted_and_refused(gate: Gate) -> None:
    strict_policy(gate)
    gate.admitted()
    with assert_refused():
        gate.store.rename_registered_model("signs", "strict")
    assert told(gate)[-1] == "promotion_refused signs/1 None (server)"
    assert last(gate)["details"]["rename"] == "strict"
    gate.store.rename_registered_model("signs", "signs-two")
    assert told(gate)[-1] == "renamed signs/1 None (server)"
    assert last(gate)["details"] == {"to": "signs-two"}


def test_what_an_older_policy_refused_has_a_new_verdict(gate: Gate) -> None:
    gate.judged(backdoored())
    gate.set_policy(enforcement="audit")
    gate.store.set_registered_model_alias("signs", "champion", 1)
    assert told(gate)[-2:] == [
        "verdict signs/1 None (server)",
        "promotion_granted signs/1 None (server)",
    ]
    verdict = audit_lines(gate)[-2]
    assert (verdict["details"]["verdict"], verdict["details"]["enforcement"]) == ("failed", "audit")
    assert policy_in(verdict) == policy_of(gate)


def test_deleted_versions_and_models(gate: Gate) -> None:
    gate.admitted()
    gate.register()
    gate.store.delete_model_version("signs", 1)
    assert told(gate)[-1] == "deleted signs/1 None (server)"
    gate.store.delete_registered_model("signs")
    assert told(gate)[-1] == "deleted signs/2 None (server)"
    assert sum(line.startswith("deleted") for line in told(gate)) == 2


def test_prompts_have_none(gate: Gate) -> None:
    gate.store.create_prompt("greeting")
    gate.store.create_prompt_version("greeting", "Hello")
    gate.store.set_prompt_alias("greeting", "production", 1)
    gate.store.delete_prompt_alias("greeting", "production")
    gate.store.delete_prompt_version("greeting", 1)
    gate.store.delete_prompt("greeting")
    assert told(gate) == []


def test_a_withdrawal_and_its_verdicts(gate: Gate) -> None:
    gate.admitted()
    gate.admitted()
    make_session = gate.plain.ManagedSessionMaker
    revoke(make_session, gate.ledger, KEY, "stolen data", "bob", 1.0)
    assert told(gate)[-3:] == [
        "revoked signs/1 bob (command)",
        "verdict signs/1 bob (command)",
        "verdict signs/2 bob (command)",
    ]
    revoked = audit_lines(gate)[-3]["details"]
    digest = clean().model.digest
    assert revoked == {"digest": digest, "reason": "stolen data", "versions": 2}


def test_a_version_that_runners_gave_up_and_that_is_scanned_again(gate: Gate) -> None:
    gate.register()
    lease = gate.work.claim()
    assert lease is not None
    policy = gate.work.policy_for(lease)
    assert policy is not None
    evidence = unscannable()
    settlement = Settlement(evidence, decide(policy, evidence), policy, gave_up=True)
    gate.work.finish(lease, settlement)
    assert told(gate)[-3:] == [
        f"scanned signs/1 {RUNNER}",
        f"verdict signs/1 {RUNNER}",
        f"gave_up signs/1 {RUNNER}",
    ]
    assert last(gate)["details"]["tries"] == 1
    rescan(gate.plain.ManagedSessionMaker, gate.ledger, KEY, "bob", 1.0)
    assert told(gate)[-1] == "rescan_asked signs/1 bob (command)"
    assert last(gate)["details"] == {"was": "dead_letter"}


def test_what_cannot_be_scanned_at_all(gate: Gate) -> None:
    gate.register()
    lease = gate.work.claim()
    assert lease is not None
    gate.work.refuse(lease, "no policy")
    assert told(gate)[-1] == f"verdict signs/1 {RUNNER}"


def test_a_result_that_comes_too_late_has_no_line(gate: Gate) -> None:
    gate.register()
    gate.work = RegistryWork(gate.plain.ManagedSessionMaker, gate.ledger, "slow", lease_seconds=0)
    finish = gate.claimed()
    gate.work = RegistryWork(gate.plain.ManagedSessionMaker, gate.ledger, "runner-1")
    gate.settle(clean())
    before = told(gate)
    with pytest.raises(Exception, match="the lease ran out"):
        finish(clean())
    assert told(gate) == before


def test_what_is_rolled_back_leaves_no_line(gate: Gate) -> None:
    gate.admitted()
    before = audit_lines(gate)

    def fails() -> None:
        with gate.store.ManagedSessionMaker(read_only=False) as session:
            model = gate.store._get_registered_model(session, "signs")
            session.delete(model)
            session.flush()
            raise MlflowException("something else went wrong")

    with pytest.raises(MlflowException, match="something else"):
        fails()
    assert audit_lines(gate) == before
    assert gate.store.get_model_version("signs", 1).status == "READY"


def without_the_log(gate: Gate) -> None:
    """Nothing can be appended from now on."""
    with gate.connection() as connection:
        connection.execute(text("ALTER TABLE xray_gate_log RENAME TO xray_gate_log_away"))


def test_nothing_happens_that_cannot_be_logged(gate: Gate) -> None:
    gate.admitted()
    gate.register()
    finish = gate.claimed()
    with gate.without_triggers():
        without_the_log(gate)
    for attempt in (
        lambda: gate.store.set_registered_model_alias("signs", "champion", 1),
        lambda: gate.store.create_model_version("signs", SOURCE),
        lambda: gate.store.delete_model_version("signs", 1),
        lambda: finish(clean()),
        lambda: revoke(gate.plain.ManagedSessionMaker, gate.ledger, KEY, "why", "bob", 1.0),
    ):
        with pytest.raises(MlflowException, match="xray_gate_log"):
            attempt()
    versions = gate.plain.search_model_versions("name = 'signs'")
    statuses = {int(version.version): version.status for version in versions}
    assert statuses == {1: "READY", 2: "PENDING_REGISTRATION"}
    assert gate.plain.get_model_version("signs", 1).aliases == []


def test_a_refusal_that_cannot_be_logged_is_still_that_refusal(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    gate.judged(backdoored())
    with gate.without_triggers():
        without_the_log(gate)
    with assert_refused("signs/1 cannot be given the alias 'champion'"):
        gate.store.set_registered_model_alias("signs", "champion", 1)
    assert gate.plain.get_model_version("signs", 1).aliases == []
    assert "the audit log cannot be written" in caplog.text
    with gate.connection() as connection:
        connection.execute(text("ALTER TABLE xray_gate_log_away RENAME TO xray_gate_log"))
    with assert_refused():
        gate.store.set_registered_model_alias("signs", "champion", 1)
    assert last(gate)["details"]["left_out"] == 1


def test_without_the_row_of_the_newest_line_nothing_happens(gate: Gate) -> None:
    with gate.without_triggers():
        with gate.connection() as connection:
            connection.execute(text("DELETE FROM xray_gate_log_head"))
        with pytest.raises(MlflowException, match="the audit log has lost its newest line's row"):
            gate.register()
    found = check_log(f"xray-gate+{gate.uri}", []).broken
    assert found is not None
    assert found.damage is Damage.REMOVED


def test_refusals_that_come_too_fast_are_counted(database: str, tmp_path: Path) -> None:
    now = [1000.0]
    gate = Gate(database, tmp_path / "policies", clock=lambda: now[0])
    gate.register()

    def ask() -> None:
        with assert_refused():
            gate.store.set_registered_model_alias("signs", "champion", 1)

    for _ in range(AT_ONCE + 7):
        ask()
    assert told(gate).count("promotion_refused signs/1 None (server)") == AT_ONCE
    now[0] += 1.5
    ask()
    assert told(gate).count("promotion_refused signs/1 None (server)") == AT_ONCE + 1
    assert last(gate)["details"]["left_out"] == 7
    ask()
    # A clock that goes backwards gives nothing back.
    now[0] -= 500.0
    ask()
    assert told(gate).count("promotion_refused signs/1 None (server)") == AT_ONCE + 1
