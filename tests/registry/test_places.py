"""A mode for each place, on real databases with the triggers in place."""

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.support.evidence import backdoored, clean
from tests.support.gate import KEPT, SOURCE, Gate, assert_refused
from xray_gate.ledger.history import past_scans
from xray_gate.ledger.unadmitted import unadmitted
from xray_gate.policy.replay import replay
from xray_gate.registry.rescanning import rescan
from xray_gate.scan.work import VersionKey, VersionState

KEY = VersionKey("default", "signs", 1)


@pytest.fixture
def gate(database: str, tmp_path: Path) -> Gate:
    return Gate(database, tmp_path / "policies", triggers=True)


def modes(gate: Gate, **places: str) -> None:
    gate.set_policy(enforcement=places)


def status(gate: Gate) -> str:
    return str(gate.plain.get_model_version("signs", 1).status)


def said(gate: Gate) -> str:
    return str(gate.plain.get_model_version("signs", 1).status_message)


def promote(gate: Gate, name: str = "signs") -> None:
    gate.store.set_registered_model_alias(name, "champion", 1)
    gate.store.transition_model_version_stage(name, 1, "Production", False)


def write_past(gate: Gate, statement: str) -> None:
    """What another writer tries on the same database."""
    with gate.connection() as connection:
        connection.execute(text(statement))


PAST = [
    "INSERT INTO registered_model_aliases (workspace, name, alias, version) "
    "VALUES ('default', 'signs', 'past', 1)",
    "UPDATE model_versions SET current_stage = 'Production' WHERE name = 'signs'",
]


def assert_no_promotion_past(gate: Gate) -> None:
    for statement in PAST:
        with pytest.raises(DBAPIError, match="xray-gate: the ledger admits no"):
            write_past(gate, statement)


@pytest.mark.parametrize("mode", ["warn", "audit"])
def test_what_a_registration_lets_through_is_not_promoted_under_enforce(
    gate: Gate, mode: str
) -> None:
    modes(gate, registration=mode)
    gate.judged(backdoored())
    assert status(gate) == "READY"
    assert ("suspected backdoor" in said(gate)) is (mode == "warn")
    assert f"[{mode}]" in said(gate)
    assert gate.store.get_model_version_download_uri("signs", 1) == KEPT
    with assert_refused("under policy images is failed"):
        promote(gate)
    assert_no_promotion_past(gate)
    with gate.connection() as connection:
        assert unadmitted(connection, lambda name, promotion: False) == []


def test_what_passes_is_promoted_whatever_the_mode_at_registration(gate: Gate) -> None:
    modes(gate, registration="audit")
    gate.admitted()
    promote(gate)
    for statement in PAST:
        write_past(gate, statement)


@pytest.mark.parametrize("mode", ["warn", "audit"])
def test_what_a_registration_refuses_is_promoted_by_another_mode(gate: Gate, mode: str) -> None:
    modes(gate, promotion=mode)
    gate.judged(backdoored())
    assert status(gate) == "FAILED_REGISTRATION"
    with assert_refused("signs/1 cannot be read"):
        gate.store.get_model_version_download_uri("signs", 1)
    promote(gate)
    assert ("although its verdict is failed [warn]" in said(gate)) is (mode == "warn")
    assert gate.store.get_model_version_download_uri("signs", 1) == KEPT
    modes(gate, promotion="enforce")
    with assert_refused("signs/1 cannot be read"):
        gate.store.get_model_version_download_uri("signs", 1)


@pytest.mark.parametrize(
    ("places", "admitted"),
    [
        ({"registration": "audit"}, False),
        ({"promotion": "audit"}, True),
        ({"registration": "audit", "promotion": "audit"}, True),
        ({}, False),
    ],
)
def test_a_replay_of_the_same_policy_changes_nothing(
    gate: Gate, places: dict[str, str], admitted: bool
) -> None:
    modes(gate, **places)
    gate.judged(backdoored())
    with gate.connection() as connection:
        (scan,) = list(past_scans(connection, "default", time.time()))
    (row,) = list(replay(gate.parts.policies(), [scan], is_free=lambda *_: False, now=time.time()))
    assert (scan.admitted, row.is_changed) == (admitted, False)


def test_a_pass_is_promoted_under_warn_without_a_word(gate: Gate) -> None:
    modes(gate, promotion="warn")
    gate.admitted()
    promote(gate)
    assert "warn" not in said(gate)


def test_off_at_registration_is_ready_at_once_and_queues_nothing(gate: Gate) -> None:
    modes(gate, registration="off")
    assert gate.register().status == "READY"
    assert "not scanned" in said(gate)
    assert gate.work.claim() is None
    with assert_refused("never scanned, .*have it scanned: xray-gate rescan signs/1"):
        promote(gate)
    with assert_refused("signs/1 cannot be read: it was never scanned"):
        gate.store.get_model_version_download_uri("signs", 1)
    assert_no_promotion_past(gate)
    with gate.connection() as connection:
        assert unadmitted(connection, lambda name, promotion: False) == []


def test_what_was_not_scanned_can_be_scanned_later(gate: Gate) -> None:
    modes(gate, registration="off")
    gate.register()
    rescan(gate.plain.ManagedSessionMaker, gate.ledger, KEY, "ann", time.time())
    assert status(gate) == "PENDING_REGISTRATION"
    gate.settle(clean())
    promote(gate)
    assert gate.store.get_model_version_download_uri("signs", 1) == KEPT


def test_what_fails_a_later_scan_stays_ready_and_is_not_promoted(gate: Gate) -> None:
    modes(gate, registration="off")
    gate.register()
    rescan(gate.plain.ManagedSessionMaker, gate.ledger, KEY, "ann", time.time())
    gate.settle(backdoored())
    assert status(gate) == "READY"
    with assert_refused("under policy images is failed"):
        promote(gate)
    assert_no_promotion_past(gate)


@pytest.mark.parametrize("mode", ["enforce", "warn", "audit"])
def test_what_was_not_scanned_is_promoted_under_no_mode_but_off(gate: Gate, mode: str) -> None:
    modes(gate, registration="off", promotion=mode)
    gate.register()
    with assert_refused("it was never scanned"):
        promote(gate)


def test_off_at_a_promotion_asks_for_no_verdict(gate: Gate) -> None:
    modes(gate, promotion="off")
    gate.register()
    promote(gate)
    gate.settle(backdoored())
    assert status(gate) == "FAILED_REGISTRATION"
    assert gate.plain.get_model_version("signs", 1).aliases == ["champion"]
    # A promotion is no verdict: what failed is still not read.
    with assert_refused("signs/1 cannot be read"):
        gate.store.get_model_version_download_uri("signs", 1)
    assert_no_promotion_past_where_it_is_new(gate)


def assert_no_promotion_past_where_it_is_new(gate: Gate) -> None:
    with pytest.raises(DBAPIError, match="xray-gate: the ledger admits no"):
        write_past(gate, PAST[0])


def test_off_everywhere_leaves_the_gate_open(gate: Gate) -> None:
    gate.set_policy(enforcement="off", unsafe_allow_unscanned_reads=True)
    assert gate.register().status == "READY"
    promote(gate)
    assert gate.store.get_model_version_download_uri("signs", 1) == SOURCE


def test_a_policy_that_is_enforced_again_promotes_nothing_that_was_not_scanned(gate: Gate) -> None:
    gate.set_policy(enforcement="off")
    gate.register()
    gate.set_policy()
    with assert_refused("it was never scanned"):
        promote(gate)


def test_a_copy_is_a_promotion_and_a_registration(gate: Gate) -> None:
    modes(gate, promotion="audit")
    gate.judged(backdoored())
    gate.store.create_registered_model("signs-copy")
    copied = gate.store.copy_model_version(gate.plain.get_model_version("signs", 1), "signs-copy")
    assert copied.status == "PENDING_REGISTRATION"
    modes(gate, registration="audit", promotion="enforce")
    with assert_refused("cannot be copied to 'signs-copy': the verdict"):
        gate.store.copy_model_version(gate.plain.get_model_version("signs", 1), "signs-copy")


def test_a_copy_asks_for_nothing_where_promotions_are_off(gate: Gate) -> None:
    modes(gate, promotion="off")
    gate.judged(backdoored())
    gate.store.create_registered_model("signs-copy")
    copied = gate.store.copy_model_version(gate.plain.get_model_version("signs", 1), "signs-copy")
    assert copied.status == "PENDING_REGISTRATION"


def test_a_new_name_is_asked_at_the_places_that_count(gate: Gate) -> None:
    modes(gate, registration="off")
    gate.register()
    gate.store.rename_registered_model("signs", "signs-2")
    gate.set_policy("other", match={"registered_models": ["production-*"]})
    with assert_refused("renamed to 'production-1': it was never scanned"):
        gate.store.rename_registered_model("signs-2", "production-1")


def test_a_ready_version_takes_its_lesser_admission_to_a_new_name(gate: Gate) -> None:
    modes(gate, registration="audit")
    gate.judged(backdoored())
    gate.store.rename_registered_model("signs", "signs-2")
    assert gate.plain.get_model_version("signs-2", 1).status == "READY"
    with assert_refused("under policy images is failed"):
        promote(gate, "signs-2")


def test_a_loosened_policy_promotes_what_was_only_ready(gate: Gate) -> None:
    modes(gate, registration="audit")
    gate.judged(backdoored())
    bounds: Any = [{"statistic": "renyi_entropy.unclipped", "bound": 0.01, "source": "new"}]
    gate.set_policy(detectors={"model_xray": {"thresholds": bounds}})
    promote(gate)
    assert gate.plain.get_model_version("signs", 1).aliases == ["champion"]
    registration = gate.registration()
    assert registration is not None
    assert registration.state is VersionState.ADMITTED
