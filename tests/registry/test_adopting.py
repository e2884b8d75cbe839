"""A registry that is older than the gate: its versions are scanned without being taken away."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from tests.support.audit import audit_lines, told
from tests.support.evidence import backdoored, clean
from tests.support.gate import KEPT, SOURCE, Gate, assert_refused
from xray_gate.ledger.coverage import inventory
from xray_gate.registry.adopting import queue
from xray_gate.registry.gated_store import GatedStore
from xray_gate.registry.rescanning import rescan
from xray_gate.scan.inventory import Coverage
from xray_gate.scan.work import Promotion, VersionKey, VersionState


@pytest.fixture
def gate(database: str, tmp_path: Path) -> Gate:
    """Three versions from before the gate, the second of them the champion; a prompt beside."""
    made = Gate(database, tmp_path / "policies", triggers=True)
    made.set_policy(enforcement="audit", unsafe_allow_unscanned_reads=True)
    with made.without_triggers():
        made.plain.create_registered_model("signs")
        for number in (1, 2, 3):
            made.plain.create_model_version("signs", f"{SOURCE}/{number}")
        made.plain.set_registered_model_alias("signs", "champion", 2)
        made.plain.create_prompt("greeting")
        made.plain.create_prompt_version("greeting", "Hello")
    # A server that starts writes its policies down.
    GatedStore(database, made.parts)
    return made


def adopt(gate: Gate) -> list[str]:
    maker = gate.plain.ManagedSessionMaker
    keys = queue(maker, gate.ledger, inventory, "ann", time.time())
    return [str(key) for key in keys]


def listed(gate: Gate) -> dict[str, Any]:
    with gate.connection() as connection:
        return {str(one.key): one for one in inventory(connection)}


def test_the_inventory_tells_what_is_there(gate: Gate) -> None:
    gate.judged(backdoored())
    gate.register()
    gate.store.delete_model_version("signs", 3)
    found = listed(gate)
    assert list(found) == ["signs/1", "signs/2", "signs/4", "signs/5"]
    assert [one.state for one in found.values()] == [
        None,
        None,
        VersionState.ADMITTED,
        VersionState.WAITING,
    ]
    assert found["signs/2"].promotions == (Promotion("alias", "champion"),)
    assert (found["signs/4"].verdict, found["signs/4"].is_scanned) == ("failed", True)
    assert found["signs/1"].can_be_queued
    assert not found["signs/5"].can_be_queued
    assert Coverage.of(list(found.values())) == Coverage(4, 1, 1, 0, 1)


def test_a_name_that_was_used_before_is_counted_once(gate: Gate) -> None:
    gate.judged(backdoored(), "signs-two")
    gate.store.delete_registered_model("signs-two")
    gate.register("signs-two")
    assert [one.state for key, one in listed(gate).items() if key == "signs-two/1"] == [
        VersionState.WAITING
    ]


def test_what_is_promoted_comes_first_and_nothing_twice(gate: Gate) -> None:
    assert adopt(gate) == ["signs/2", "signs/1", "signs/3"]
    assert adopt(gate) == []
    lease = gate.work.claim()
    assert lease is not None
    assert str(lease.registration.key) == "signs/2"
    assert lease.registration.location == f"{SOURCE}/2"


def test_two_at_once_queue_each_version_once(gate: Gate) -> None:
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(adopt(gate))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(len(keys) for keys in found) == [0, 0, 3]


def test_a_version_stays_what_it_is_until_its_verdict(gate: Gate) -> None:
    adopt(gate)
    version = gate.store.get_model_version("signs", 2)
    assert (version.status, version.aliases) == ("READY", ["champion"])
    assert gate.store.get_model_version_download_uri("signs", 2) == f"{SOURCE}/2"
    assert [one.version for one in gate.store.get_latest_versions("signs")] == [3]
    # A try that fails, and one that a person asks for, change nothing either.
    lease = gate.work.claim()
    assert lease is not None
    gate.work.put_back(lease, "the store is down", 0.0)
    key = VersionKey("default", "signs", 2)
    rescan(gate.plain.ManagedSessionMaker, gate.ledger, key, "ann", time.time())
    assert gate.store.get_model_version("signs", 2).status == "READY"
    # But nothing is promoted that has no verdict yet.
    with assert_refused("it waits for a scan"):
        gate.store.set_registered_model_alias("signs", "blue", 2)


def test_without_unscanned_reads_it_is_closed_as_before(gate: Gate) -> None:
    gate.set_policy(enforcement="audit")
    with assert_refused("registered before the gate"):
        gate.store.get_model_version_download_uri("signs", 2)
    adopt(gate)
    with assert_refused("it waits for a scan"):
        gate.store.get_model_version_download_uri("signs", 2)


def test_a_verdict_comes_to_a_promoted_version(gate: Gate) -> None:
    adopt(gate)
    gate.settle(clean())
    version = gate.store.get_model_version("signs", 2)
    assert (version.status, version.aliases) == ("READY", ["champion"])
    assert version.tags["xray_gate.verdict"] == "passed"
    # From now on everybody downloads what was scanned.
    assert gate.store.get_model_version_download_uri("signs", 2) == KEPT


def test_in_audit_a_refusal_takes_nothing_away(gate: Gate) -> None:
    adopt(gate)
    gate.settle(backdoored())
    version = gate.store.get_model_version("signs", 2)
    assert (version.status, version.aliases) == ("READY", ["champion"])
    assert gate.store.get_model_version_download_uri("signs", 2) == KEPT


def test_enforced_a_refusal_closes_the_files_and_leaves_the_alias(gate: Gate) -> None:
    gate.set_policy(unsafe_allow_unscanned_reads=True)
    gate.register()
    adopt(gate)
    for _ in range(2):
        gate.settle(backdoored())
    version = gate.store.get_model_version("signs", 2)
    assert (version.status, version.aliases) == ("FAILED_REGISTRATION", ["champion"])
    with assert_refused("the verdict is failed"):
        gate.store.get_model_version_download_uri("signs", 2)


def test_what_is_deleted_meanwhile_is_not_scanned(gate: Gate) -> None:
    adopt(gate)
    gate.store.delete_model_version("signs", 2)
    gate.settle(clean())
    assert gate.store.get_model_version("signs", 1).tags["xray_gate.verdict"] == "passed"


def test_what_failed_or_waits_is_not_queued(gate: Gate) -> None:
    gate.register()
    with gate.without_triggers(), gate.connection() as connection:
        connection.execute(
            sqlalchemy.text(
                "UPDATE model_versions SET status = 'FAILED_REGISTRATION' WHERE version = 1"
            )
        )
    assert adopt(gate) == ["signs/2", "signs/3"]


def test_what_is_queued_is_registered_by_whoever_asked(gate: Gate) -> None:
    adopt(gate)
    queued = [f"registered signs/{version} ann (command)" for version in (2, 1, 3)]
    assert told(gate) == queued
    details = audit_lines(gate)[-1]["details"]
    assert (details["location"], details["adopted"]) == (f"{SOURCE}/3", True)
    # There is nothing left to be queued, and nothing to be told.
    assert adopt(gate) == []
    assert told(gate) == queued
