from typing import Any

import pytest

from tests.support.evidence import clean
from tests.support.gate import Gate
from xray_gate.core.errors import LeaseLost
from xray_gate.policy.decision import decide
from xray_gate.scan.work import Settlement


def finish(gate: Gate, lease: Any, attestation: str) -> None:
    policy = gate.work.policy_for(lease)
    assert policy is not None
    evidence = clean()
    decision = decide(policy, evidence)
    settlement = Settlement(evidence, decision, policy, None, gate.kept, attestation)
    gate.work.finish(lease, settlement)


def attestation_of(gate: Gate, name: str) -> str | None:
    registration = gate.registration(name)
    assert registration is not None
    with gate.connection() as connection:
        return gate.ledger.attestation_of(connection, registration)


def test_verdict_status_and_attestation_come_together(gate: Gate) -> None:
    gate.register()
    lease = gate.work.claim()
    finish(gate, lease, "signed")
    assert gate.store.get_model_version("signs", 1).status == "READY"
    assert attestation_of(gate, "signs") == "signed"


def test_a_lost_lease_leaves_no_attestation(gate: Gate) -> None:
    gate.register()
    lease = gate.work.claim()
    assert lease is not None
    gate.store.delete_model_version("signs", 1)
    with pytest.raises(LeaseLost):
        finish(gate, lease, "signed")
    with gate.connection() as connection:
        assert gate.ledger.attestation_of(connection, lease.registration) is None


def test_a_copy_that_the_server_admits_has_the_attestation_of_what_was_scanned(gate: Gate) -> None:
    original = gate.register()
    finish(gate, gate.work.claim(), "signed")
    gate.store.copy_model_version(original, "signs-production")
    assert attestation_of(gate, "signs-production") == "signed"


def test_without_a_key_everything_is_as_before_and_unsigned(gate: Gate) -> None:
    gate.admitted()
    assert attestation_of(gate, "signs") is None
