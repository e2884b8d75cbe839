"""Which versions can be scanned once more."""

import time

import pytest

from tests.support.evidence import backdoored, clean, unscannable
from tests.support.gate import Gate, assert_refused
from xray_gate.core.errors import InputError
from xray_gate.registry.rescanning import rescan
from xray_gate.registry.revoking import revoke
from xray_gate.scan.work import VersionKey, VersionState

KEY = VersionKey("default", "signs", 1)


def again(gate: Gate, key: VersionKey = KEY) -> None:
    rescan(gate.plain.ManagedSessionMaker, gate.ledger, key, "ann", time.time())


def test_a_refused_version_waits_again(gate: Gate) -> None:
    gate.judged(unscannable())
    again(gate)
    # The gate's own store would add that no runner has been seen.
    version = gate.plain.get_model_version("signs", 1)
    assert version.status == "PENDING_REGISTRATION"
    assert version.status_message == "xray-gate: waiting for a new scan."
    with assert_refused("it waits for a scan"):
        gate.store.set_registered_model_alias("signs", "champion", 1)
    gate.settle(clean())
    gate.store.set_registered_model_alias("signs", "champion", 1)


def test_the_newest_verdict_counts(gate: Gate) -> None:
    gate.judged(unscannable())
    again(gate)
    gate.settle(backdoored())
    registration = gate.registration()
    assert registration is not None
    assert registration.state is VersionState.REFUSED
    with gate.connection() as connection:
        found = [row.verdict for row in gate.ledger.verdicts(connection, registration)]
    assert found == ["failed", "undecided"]


def test_a_waiting_version_is_tried_at_once(gate: Gate) -> None:
    gate.register()
    lease = gate.work.claim()
    assert lease is not None
    gate.work.put_back(lease, "the store is away", 1000.0)
    assert gate.work.claim() is None
    again(gate)
    assert gate.work.claim() is not None


def test_a_scan_that_runs_meanwhile_is_dropped(gate: Gate) -> None:
    gate.register()
    finish = gate.claimed()
    again(gate)
    with pytest.raises(Exception, match="the result of this scan is dropped"):
        finish(clean())


def test_an_admitted_version_stays_admitted(gate: Gate) -> None:
    gate.admitted()
    gate.store.set_registered_model_alias("signs", "champion", 1)
    with pytest.raises(InputError, match="signs/1: is admitted, and would not be while it waits"):
        again(gate)
    assert gate.store.get_model_version("signs", 1).status == "READY"


def test_what_was_withdrawn_stays_withdrawn(gate: Gate) -> None:
    gate.admitted()
    revoke(gate.plain.ManagedSessionMaker, gate.ledger, KEY, "stolen data", "ann", 0.0)
    with pytest.raises(InputError, match="signs/1: was withdrawn, and no scan changes that"):
        again(gate)


def test_what_is_gone_cannot_be_scanned(gate: Gate) -> None:
    gate.judged(backdoored())
    gate.store.delete_model_version("signs", 1)
    with pytest.raises(InputError, match="signs/1: was deleted; register it again"):
        again(gate)


def test_what_was_deleted_past_the_gate_cannot_be_scanned(gate: Gate) -> None:
    gate.judged(backdoored())
    gate.plain.delete_model_version("signs", 1)
    with pytest.raises(InputError, match="signs/1: was deleted; register it again"):
        again(gate)
    registration = gate.registration()
    assert registration is not None
    assert registration.state is VersionState.REFUSED


def test_what_the_gate_never_saw_cannot_be_scanned(gate: Gate) -> None:
    with pytest.raises(InputError, match="signs/7: the gate has seen no such version"):
        again(gate, VersionKey("default", "signs", 7))
