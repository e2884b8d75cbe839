"""Exceptions in the gate: what they let through, and that it ends."""

import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from tests.support.evidence import backdoored, day, evidence_of, write_exception
from tests.support.gate import SOURCE, Gate, assert_refused
from xray_gate.core.verdict import Verdict
from xray_gate.registry.revoking import revoke
from xray_gate.scan.work import VersionKey, VersionState

DAY = 86_400.0
KEY = VersionKey("default", "signs", 1)
REFUSED = "verdict under policy images is failed"


class Clock:
    """Now, and so many seconds."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(database: str, tmp_path: Path, clock: Clock) -> Gate:
    """The gate under a policy that allows exceptions; the database checks, too."""
    made = Gate(database, tmp_path / "policies", triggers=True, clock=clock)
    made.set_policy(exceptions={"most_days": 30})
    return made


def promote(gate: Gate, version: int = 1, alias: str = "champion") -> None:
    gate.store.set_registered_model_alias("signs", alias, version)


def verdict_rows(gate: Gate) -> list[Any]:
    with gate.connection() as connection:
        question = "SELECT verdict, admits, exceptions, admits_until FROM xray_gate_verdicts"
        return list(connection.execute(sqlalchemy.text(f"{question} ORDER BY id")).all())


def test_an_excused_version_becomes_ready_and_says_why(gate: Gate) -> None:
    write_exception(gate.folder)
    version = gate.judged(backdoored())
    assert version.status == "READY"
    assert "suspected backdoor." in version.status_message
    assert f"Admitted by 1 exception, expires on {day(12)}." in version.status_message
    assert version.tags["xray_gate.verdict"] == "failed"
    assert version.tags["xray_gate.exceptions"] == "known-attractor"
    promote(gate)
    assert gate.store.get_model_version_download_uri("signs", 1) == "s3://kept/signs"
    (row,) = verdict_rows(gate)
    assert (row.verdict, row.admits) == ("failed", 1)
    assert row.admits_until > time.time()


def test_one_that_comes_after_the_scan_admits_at_the_promotion(gate: Gate) -> None:
    refused = gate.judged(backdoored())
    assert refused.status == "FAILED_REGISTRATION"
    with assert_refused(REFUSED):
        promote(gate)
    write_exception(gate.folder)
    promote(gate)
    version = gate.store.get_model_version("signs", 1)
    assert (version.status, version.aliases) == ("READY", ["champion"])
    assert f"failed; admitted by 1 exception, expires on {day(12)}" in version.status_message
    assert version.tags["xray_gate.exceptions"] == "known-attractor"
    gate.store.get_model_version_download_uri("signs", 1)
    assert [(row.verdict, row.admits) for row in verdict_rows(gate)] == [
        ("failed", 0),
        ("failed", 1),
    ]


def test_when_it_ends_nothing_more_is_promoted_copied_or_read(gate: Gate, clock: Clock) -> None:
    write_exception(gate.folder)
    original = gate.judged(backdoored())
    promote(gate)
    gate.store.create_registered_model("signs-production")
    clock.ahead = 13 * DAY
    with assert_refused(REFUSED):
        promote(gate, alias="blue")
    with assert_refused(REFUSED):
        gate.store.transition_model_version_stage("signs", 1, "Production", False)
    with assert_refused(REFUSED):
        gate.store.copy_model_version(original, "signs-production")
    with assert_refused(f"has expired: known-attractor \\({day(12)}\\)"):
        gate.store.get_model_version_download_uri("signs", 1)
    assert gate.store.get_latest_versions("signs") == []
    # What leads to it stays: taking it out of production is for those who run it.
    assert gate.store.get_model_version("signs", 1).aliases == ["champion"]


def test_a_renewed_one_lets_it_go_on(gate: Gate, clock: Clock) -> None:
    write_exception(gate.folder)
    gate.judged(backdoored())
    clock.ahead = 13 * DAY
    write_exception(gate.folder, name="again", created=day(10), expires=day(30))
    gate.store.get_model_version_download_uri("signs", 1)
    promote(gate)
    assert gate.store.get_model_version("signs", 1).tags["xray_gate.exceptions"] == "again"
    assert len(verdict_rows(gate)) == 2
    promote(gate, alias="blue")
    assert len(verdict_rows(gate)) == 2


def test_a_copy_under_another_policy_needs_one_of_its_own(gate: Gate) -> None:
    gate.set_policy("strict", match={"registered_models": ["strict"]}, exceptions={"most_days": 30})
    write_exception(gate.folder)
    original = gate.judged(backdoored())
    gate.store.create_registered_model("strict")
    gate.store.create_registered_model("signs-production")
    copy = gate.store.copy_model_version(original, "signs-production")
    assert copy.status == "READY"
    assert f"admitted by 1 exception, expires on {day(12)}" in copy.status_message
    with assert_refused("verdict under policy strict is failed"):
        gate.store.copy_model_version(original, "strict")
    write_exception(gate.folder, name="strict-too", policy="strict")
    assert gate.store.copy_model_version(original, "strict").status == "READY"


def test_what_was_withdrawn_is_never_excused(gate: Gate) -> None:
    write_exception(gate.folder)
    write_exception(gate.folder, name="open", rule="undecided")
    gate.judged(backdoored())
    promote(gate)
    maker = gate.plain.ManagedSessionMaker
    revoke(maker, gate.ledger, KEY, "stolen data", "ann", time.time())
    for attempt in (
        lambda: promote(gate, alias="blue"),
        lambda: gate.store.get_model_version_download_uri("signs", 1),
    ):
        with assert_refused("withdrawn by ann: stolen data"):
            attempt()
    again = gate.judged(backdoored())
    assert again.status == "FAILED_REGISTRATION"
    assert "withdrawn by ann" in again.status_message
    assert "xray_gate.exceptions" not in again.tags


def test_a_version_that_waits_is_not_excused(gate: Gate) -> None:
    write_exception(gate.folder)
    gate.register()
    with assert_refused("it waits for a scan"):
        promote(gate)
    with assert_refused("it waits for a scan"):
        gate.store.get_model_version_download_uri("signs", 1)


def test_bytes_that_were_not_kept_are_not_excused(gate: Gate) -> None:
    gate.kept = None
    gate.judged(backdoored())
    write_exception(gate.folder)
    with assert_refused("its bytes were not kept"):
        promote(gate)


def test_other_files_are_not_excused(gate: Gate) -> None:
    write_exception(gate.folder)
    gate.judged(backdoored())
    with gate.without_triggers(), gate.connection() as connection:
        moved = "UPDATE model_versions SET storage_location = 's3://elsewhere'"
        connection.execute(sqlalchemy.text(moved))
    with assert_refused("its files are not at the place that was scanned"):
        promote(gate)
    with assert_refused("its files are not at the place that was scanned"):
        gate.store.get_model_version_download_uri("signs", 1)


def test_a_broken_one_stops_neither_the_server_nor_a_clean_model(gate: Gate) -> None:
    path = write_exception(gate.folder)
    path.write_text("kind: [")
    assert gate.judged(backdoored()).status == "FAILED_REGISTRATION"
    assert gate.admitted().status == "READY"
    promote(gate, 2)
    with assert_refused(REFUSED):
        promote(gate, 1)


def test_one_that_is_taken_back_promotes_nothing_more(gate: Gate) -> None:
    path = write_exception(gate.folder)
    gate.judged(backdoored())
    path.unlink()
    with assert_refused(REFUSED):
        promote(gate)


def test_a_policy_that_allows_none_any_more_ends_them(gate: Gate) -> None:
    write_exception(gate.folder)
    gate.judged(backdoored())
    gate.set_policy()
    with assert_refused(REFUSED):
        promote(gate)


def test_an_old_scan_is_believed_by_exception(gate: Gate, clock: Clock) -> None:
    gate.set_policy(exceptions={"most_days": 30}, max_age_days=10)
    gate.judged(evidence_of(1.9, finished_at=f"{day(0)}T00:00:00+00:00"))
    promote(gate)
    clock.ahead = 11 * DAY
    with assert_refused("the policy believes a scan for 10 days"):
        promote(gate, alias="blue")
    write_exception(gate.folder, name="old", rule="age")
    promote(gate, alias="blue")
    recorded = verdict_rows(gate)[-1]
    assert recorded.verdict == "passed"
    assert "old" in recorded.exceptions
    clock.ahead = 13 * DAY
    with assert_refused("the policy believes a scan for 10 days"):
        promote(gate, alias="green")
    # A pass stays readable, as every one whose age is too great for a promotion.
    gate.store.get_model_version_download_uri("signs", 1)
    # And when nothing asks for its age any more, what has ended is forgotten.
    gate.set_policy(exceptions={"most_days": 30})
    promote(gate, alias="green")


def test_a_registration_is_admitted_in_the_ledger(gate: Gate) -> None:
    write_exception(gate.folder)
    gate.judged(backdoored())
    registration = gate.registration()
    assert registration is not None
    assert registration.state is VersionState.ADMITTED
    with gate.connection() as connection:
        recorded = gate.ledger.newest_verdict(connection, registration)
        # What an exception admitted is no measure for another version.
        champion = gate.ledger.newest_passed(connection, registration)
    assert recorded is not None
    assert recorded.verdict is Verdict.FAILED
    assert [one.name for one in recorded.excused_by] == ["known-attractor"]
    assert champion is None


def test_a_new_name_with_the_same_policy_keeps_it(gate: Gate) -> None:
    write_exception(gate.folder)
    gate.judged(backdoored(), source=SOURCE)
    promote(gate)
    gate.store.rename_registered_model("signs", "signs-two")
    assert gate.store.get_model_version("signs-two", 1).aliases == ["champion"]
