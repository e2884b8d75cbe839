import time
from typing import Any

import pytest
import sqlalchemy

from tests.support.evidence import backdoored, clean, evidence_of, unscannable
from tests.support.gate import Gate
from xray_gate.core.errors import LeaseLost, PolicyError
from xray_gate.ledger.tables import scans, verdicts
from xray_gate.policy.decision import decide
from xray_gate.registry.refusal import status_text
from xray_gate.registry.work import RegistryWork
from xray_gate.scan.work import Settlement, VersionState

RUN = "a" * 32


def _count(gate: Gate, table: Any) -> int:
    with gate.connection() as connection:
        count = sqlalchemy.select(sqlalchemy.func.count()).select_from(table)
        return int(connection.execute(count).scalar_one())


def _policy(gate: Gate) -> Any:
    return gate.parts.policies().match("signs")


def test_a_pass_makes_the_version_ready(gate: Gate) -> None:
    version = gate.judged(clean())
    assert version.status == "READY"
    assert version.status_message == f"xray-gate: passed. Report: MLflow run {RUN}."


def test_a_suspicion_names_label_reason_report_and_next_step(gate: Gate) -> None:
    version = gate.judged(backdoored())
    assert version.status == "FAILED_REGISTRATION"
    message = version.status_message
    assert message.startswith("xray-gate: suspected backdoor. model_xray: renyi_entropy")
    assert "suspected target label 2" in message
    assert message.endswith(f"Report: MLflow run {RUN}. Next: xray-gate status signs/1")


def test_no_decision_is_no_pass(gate: Gate) -> None:
    version = gate.judged(unscannable("the file is no model; save it as ONNX"))
    assert version.status == "FAILED_REGISTRATION"
    assert "could not be decided. the file is no model; save it as ONNX" in version.status_message


@pytest.mark.parametrize("name", ["signs", "signs" + "x" * 251])
@pytest.mark.parametrize("letter", ["r", "é", "語", "🙂"])
def test_a_status_message_fits_and_keeps_its_next_step(gate: Gate, name: str, letter: str) -> None:
    version = gate.judged(unscannable(letter * 5000), name)
    assert len(version.status_message) <= 500
    assert version.status_message.endswith(f"Next: xray-gate status {name}/1")


def test_a_reason_that_no_database_can_hold_is_still_recorded(gate: Gate) -> None:
    """NUL bytes and half characters come from hostile file names and model answers."""
    version = gate.judged(unscannable("model\x00.onnx \udcff is strange"))
    assert version.status == "FAILED_REGISTRATION"
    assert "is strange" in version.status_message
    assert "\x00" not in version.status_message


def test_a_try_that_failed_for_such_a_reason_is_still_put_back(gate: Gate) -> None:
    gate.register()
    lease = gate.work.claim()
    assert lease is not None
    gate.work.put_back(lease, "the files at s3://a\x00b \udcff are away", 0.0)
    registration = gate.registration()
    assert registration is not None
    assert registration.failure == "the files at s3://a b   are away"
    assert gate.work.claim() is not None


def test_a_short_status_text_is_left_as_it_is() -> None:
    assert status_text("waiting.") == "xray-gate: waiting."
    assert status_text("waiting.", "Wait.") == "xray-gate: waiting. Wait."


def test_tags_mirror_the_ledger(gate: Gate) -> None:
    tags = gate.judged(backdoored()).tags
    assert tags == {
        "xray_gate.verdict": "failed",
        "xray_gate.policy": "images",
        "xray_gate.digest": "sha256:" + "ab" * 32,
        "xray_gate.scan_run_id": RUN,
    }


def test_evidence_and_verdict_are_kept(gate: Gate) -> None:
    evidence = backdoored()
    gate.judged(evidence)
    registration = gate.registration()
    assert registration is not None
    assert registration.state is VersionState.REFUSED
    with gate.connection() as connection:
        assert gate.ledger.evidence_of(connection, registration) == evidence
        (row,) = gate.ledger.verdicts(connection, registration)
    assert (row.verdict, row.scan_id, row.run_id) == ("failed", evidence.scan_id, RUN)
    assert (row.policy_name, row.policy_digest) == ("images", _policy(gate).digest)


def test_a_slow_runner_writes_nothing(gate: Gate) -> None:
    gate.register()
    slow = RegistryWork(gate.plain.ManagedSessionMaker, gate.ledger, "slow", lease_seconds=0)
    lost = slow.claim()
    assert lost is not None
    gate.settle(clean())
    with pytest.raises(LeaseLost):
        slow.renew(lost)
    policy = _policy(gate)
    with pytest.raises(LeaseLost):
        slow.finish(lost, Settlement(backdoored(), decide(policy, backdoored()), policy))
    with pytest.raises(LeaseLost):
        slow.refuse(lost, "it was too slow")
    assert gate.store.get_model_version("signs", 1).status == "READY"
    assert (_count(gate, verdicts), _count(gate, scans)) == (1, 1)


def test_verdict_and_status_are_written_together_or_not_at_all(gate: Gate) -> None:
    gate.register()
    lease = gate.work.claim()
    assert lease is not None

    def fail(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE model_versions"):
            raise RuntimeError("the power went off")

    policy = _policy(gate)
    sqlalchemy.event.listen(gate.plain.engine, "before_cursor_execute", fail)
    with pytest.raises(Exception, match="the power went off"):
        gate.work.finish(lease, Settlement(clean(), decide(policy, clean()), policy))
    sqlalchemy.event.remove(gate.plain.engine, "before_cursor_execute", fail)
    assert gate.store.get_model_version("signs", 1).status == "PENDING_REGISTRATION"
    assert (_count(gate, verdicts), _count(gate, scans)) == (0, 0)
    gate.work.finish(lease, Settlement(clean(), decide(policy, clean()), policy))
    assert gate.store.get_model_version("signs", 1).status == "READY"


def test_a_version_that_was_deleted_during_the_scan_stays_deleted(gate: Gate) -> None:
    gate.register()
    lease = gate.work.claim()
    assert lease is not None
    gate.store.delete_model_version("signs", 1)
    policy = _policy(gate)
    with pytest.raises(LeaseLost):
        gate.work.finish(lease, Settlement(clean(), decide(policy, clean()), policy))
    assert _count(gate, verdicts) == 0


def test_a_scan_of_a_deleted_name_does_not_count_for_its_successor(gate: Gate) -> None:
    gate.register()
    lease = gate.work.claim()
    assert lease is not None
    gate.store.delete_registered_model("signs")
    gate.register()
    policy = _policy(gate)
    with pytest.raises(LeaseLost):
        gate.work.finish(lease, Settlement(clean(), decide(policy, clean()), policy))
    assert gate.store.get_model_version("signs", 1).status == "PENDING_REGISTRATION"


def test_what_cannot_be_scanned_at_all_is_refused_with_its_reason(gate: Gate) -> None:
    gate.register()
    lease = gate.work.claim()
    assert lease is not None
    gate.work.refuse(lease, "the scan never came to an end")
    version = gate.store.get_model_version("signs", 1)
    assert version.status == "FAILED_REGISTRATION"
    assert "could not be decided. the scan never came to an end" in version.status_message
    assert version.tags["xray_gate.verdict"] == "undecided"
    assert (_count(gate, verdicts), _count(gate, scans)) == (1, 0)


def test_a_runner_asks_for_the_servers_policy(gate: Gate) -> None:
    gate.register()
    lease = gate.work.claim()
    assert lease is not None
    policy = gate.work.policy_for(lease)
    assert policy is not None
    assert policy == _policy(gate)


def test_a_runner_without_a_server_is_told_so(gate: Gate) -> None:
    gate.register()
    lease = gate.work.claim()
    assert lease is not None
    with gate.connection() as connection:
        connection.execute(sqlalchemy.text("DELETE FROM xray_gate_policy_sets"))
    with pytest.raises(PolicyError, match="XRAY_GATE_POLICY"):
        gate.work.policy_for(lease)


def test_a_heartbeat_shows_in_the_ledger(gate: Gate) -> None:
    before = time.time()
    gate.work.heartbeat()
    with gate.connection() as connection:
        seen = gate.ledger.last_runner(connection)
    assert seen is not None
    assert before <= seen <= time.time()


def test_a_score_on_the_bound_is_refused(gate: Gate) -> None:
    assert gate.judged(evidence_of(1.0)).status == "FAILED_REGISTRATION"
    assert gate.judged(evidence_of(1.0001)).status == "READY"
