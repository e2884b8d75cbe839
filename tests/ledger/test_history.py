"""What a ledger says of all that was scanned, on real databases."""

import time
from pathlib import Path

import pytest

from tests.support.evidence import backdoored, clean
from tests.support.gate import Gate
from xray_gate.core.verdict import Verdict
from xray_gate.ledger.history import past_scans
from xray_gate.policy.replay import PastScan
from xray_gate.registry.revoking import revoke
from xray_gate.scan.work import VersionKey


@pytest.fixture
def gate(database: str, tmp_path: Path) -> Gate:
    return Gate(database, tmp_path / "policies")


def scans(gate: Gate, workspace: str = "default") -> list[PastScan]:
    with gate.connection() as connection:
        return list(past_scans(connection, workspace, time.time()))


def test_every_scanned_version_is_there_with_what_leads_to_it(gate: Gate) -> None:
    gate.admitted()
    gate.judged(backdoored())
    gate.store.set_registered_model_alias("signs", "champion", 1)
    gate.store.set_registered_model_alias("signs", "best", 1)
    gate.store.transition_model_version_stage("signs", 1, "Production", False)
    first, second = scans(gate)
    assert (first.ref, first.registered_model) == ("signs/1", "signs")
    assert (first.verdict, first.admitted, first.withdrawn) == (Verdict.PASSED, True, False)
    assert first.promoted == (("alias", "best"), ("alias", "champion"), ("stage", "Production"))
    assert first.evidence.detectors == clean().detectors
    assert (second.ref, second.verdict, second.admitted) == ("signs/2", Verdict.FAILED, False)
    assert second.promoted == ()


def test_what_has_no_evidence_or_no_version_is_not_there(gate: Gate) -> None:
    gate.admitted()
    gate.admitted()
    gate.store.delete_model_version("signs", 1)
    gate.register()
    gate.register("cats")
    assert [scan.ref for scan in scans(gate)] == ["signs/2"]
    assert scans(gate, "other") == []


def test_of_a_name_that_is_used_again_the_newest_counts(gate: Gate) -> None:
    gate.admitted()
    gate.plain.delete_registered_model("signs")
    gate.judged(backdoored())
    assert [(scan.ref, scan.verdict) for scan in scans(gate)] == [("signs/1", Verdict.FAILED)]


def test_what_was_withdrawn_is_marked(gate: Gate) -> None:
    gate.admitted()
    revoke(
        gate.plain.ManagedSessionMaker, gate.ledger, VersionKey("default", "signs", 1), "x", "y", 0
    )
    (scan,) = scans(gate)
    assert (scan.withdrawn, scan.admitted, scan.verdict) == (True, False, Verdict.UNDECIDED)
