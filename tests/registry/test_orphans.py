"""Registrations whose version is gone, though the gate never saw it go."""

import threading
import time
from pathlib import Path

import pytest

from tests.support.evidence import backdoored, clean
from tests.support.gate import Gate, assert_refused
from xray_gate.scan.work import VersionKey, VersionState


@pytest.fixture
def gate(database: str, tmp_path: Path) -> Gate:
    """Always without triggers: they would close what is deleted past the gate."""
    return Gate(database, tmp_path / "policies")


def _delete_past_the_gate(gate: Gate) -> None:
    gate.plain.delete_registered_model("signs")


def test_a_verdict_does_not_show_on_another_version_of_the_same_name(gate: Gate) -> None:
    gate.register(source="s3://clean")
    _delete_past_the_gate(gate)
    gate.register(source="s3://evil")
    gate.settle(clean())
    version = gate.store.get_model_version("signs", 1)
    assert (version.source, version.status) == ("s3://evil", "PENDING_REGISTRATION")
    assert "xray_gate.verdict" not in version.tags
    gate.settle(backdoored())
    assert gate.store.get_model_version("signs", 1).status == "FAILED_REGISTRATION"
    with assert_refused("the verdict"):
        gate.store.set_registered_model_alias("signs", "champion", 1)


def test_a_registration_without_a_version_ends_and_holds_up_nobody(gate: Gate) -> None:
    gate.register()
    _delete_past_the_gate(gate)
    gate.settle(clean())
    assert gate.work.claim() is None
    gate.admitted("signs-2")


def test_a_refusal_of_a_registration_without_a_version_ends_it(gate: Gate) -> None:
    gate.register()
    _delete_past_the_gate(gate)
    lease = gate.work.claim()
    assert lease is not None
    gate.work.refuse(lease, "nothing can be scanned; register it again")
    assert gate.work.claim() is None
    with gate.connection() as connection:
        found = gate.ledger.current(connection, VersionKey("default", "signs", 1))
    assert found is not None
    assert found.state is VersionState.DELETED


def test_a_version_made_during_a_rename_keeps_its_registration(gate: Gate) -> None:
    gate.set_policy("other", match={"registered_models": ["production*"]})
    gate.store.create_registered_model("signs")
    made, go_on = threading.Event(), threading.Event()
    finish = gate.store._populate_model_version_aliases

    def hold(*arguments: object) -> object:
        if threading.current_thread().name == "creator":
            made.set()
            go_on.wait(10)
        return finish(*arguments)

    gate.store._populate_model_version_aliases = hold
    creator = threading.Thread(
        target=gate.store.create_model_version, args=("signs", "s3://clean"), name="creator"
    )
    renamer = threading.Thread(
        target=gate.store.rename_registered_model, args=("signs", "production")
    )
    creator.start()
    assert made.wait(10)
    renamer.start()
    time.sleep(0.5)
    go_on.set()
    creator.join()
    renamer.join()
    version = gate.store.get_model_version("production", 1)
    assert version.status == "PENDING_REGISTRATION"
    registration = gate.registration("production")
    assert registration is not None
    assert registration.state is VersionState.WAITING
    assert gate.registration("signs") is None
