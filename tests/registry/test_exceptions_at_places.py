"""Exceptions where a policy has a mode for each place: they count where it enforces."""

import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from mlflow.entities.model_registry import RegisteredModelTag
from sqlalchemy.exc import DBAPIError

from tests.support.evidence import backdoored, day, write_exception
from tests.support.gate import KEPT, Gate, assert_refused
from xray_gate.ledger.history import past_scans
from xray_gate.policy.replay import replay

DAY = 86_400.0
ALLOWED: dict[str, Any] = {"exceptions": {"most_days": 30}}
REFUSED = "verdict under policy images is failed"
READY_ANYWAY = {"registration": "audit"}
PROMOTED_ANYWAY = {"promotion": "audit"}


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
    return Gate(database, tmp_path / "policies", triggers=True, clock=clock)


def modes(gate: Gate, **places: str) -> None:
    gate.set_policy(enforcement=places, **ALLOWED)


def promote(gate: Gate, alias: str = "champion", name: str = "signs") -> None:
    gate.store.set_registered_model_alias(name, alias, 1)


def status(gate: Gate, name: str = "signs") -> str:
    return str(gate.store.get_model_version(name, 1).status)


def read(gate: Gate, name: str = "signs") -> str:
    return str(gate.store.get_model_version_download_uri(name, 1))


def admitted(gate: Gate) -> list[tuple[int, bool]]:
    """Of each verdict what it admits, and whether that ends."""
    question = "SELECT admits, admits_until FROM xray_gate_verdicts ORDER BY id"
    with gate.connection() as connection:
        rows = connection.execute(sqlalchemy.text(question)).all()
    return [(row.admits, row.admits_until is not None) for row in rows]


def as_if_ended(gate: Gate) -> None:
    """What the database's clock will say of the newest verdict when its exceptions have ended."""
    with gate.without_triggers(), gate.connection() as connection:
        connection.execute(sqlalchemy.text("UPDATE xray_gate_verdicts SET admits_until = 1"))


def write_past(gate: Gate, statement: str) -> None:
    with gate.connection() as connection:
        connection.execute(sqlalchemy.text(statement))


PAST = (
    "INSERT INTO registered_model_aliases (workspace, name, alias, version) "
    "VALUES ('default', 'signs', 'past', 1)"
)


def test_an_exception_promotes_what_only_audit_made_ready(gate: Gate, clock: Clock) -> None:
    modes(gate, **READY_ANYWAY)
    write_exception(gate.folder)
    gate.judged(backdoored())
    assert (status(gate), admitted(gate)) == ("READY", [(1, True)])
    promote(gate)
    write_past(gate, PAST)
    assert admitted(gate) == [(1, True)]
    clock.ahead = 13 * DAY
    with assert_refused(REFUSED):
        promote(gate, "blue")
    # It was READY, and is read, by its mode.
    assert read(gate) == KEPT


def test_without_one_it_is_ready_and_no_more(gate: Gate) -> None:
    modes(gate, **READY_ANYWAY)
    gate.judged(backdoored())
    assert (status(gate), admitted(gate)) == ("READY", [(2, False)])
    with pytest.raises(DBAPIError, match="xray-gate: the ledger admits no"):
        write_past(gate, PAST)
    write_exception(gate.folder)
    promote(gate)
    assert admitted(gate) == [(2, False), (1, True)]


def test_the_database_knows_when_it_ends(gate: Gate) -> None:
    modes(gate, **READY_ANYWAY)
    write_exception(gate.folder)
    gate.judged(backdoored())
    as_if_ended(gate)
    with pytest.raises(DBAPIError, match="xray-gate: the ledger admits no"):
        write_past(gate, PAST)
    moved = "UPDATE model_versions SET storage_location = 's3://elsewhere' WHERE name = 'signs'"
    with pytest.raises(DBAPIError, match="xray-gate: the ledger admits no"):
        write_past(gate, moved)


def test_it_is_ready_by_exception_where_promotions_are_audited(gate: Gate, clock: Clock) -> None:
    modes(gate, **PROMOTED_ANYWAY)
    write_exception(gate.folder)
    gate.judged(backdoored())
    assert (status(gate), admitted(gate)) == ("READY", [(1, True)])
    assert read(gate) == KEPT
    clock.ahead = 13 * DAY
    # Nothing but the exception had admitted it.
    with assert_refused("has expired: known-attractor"):
        read(gate)
    promote(gate)
    assert admitted(gate) == [(1, True), (1, False)]
    assert read(gate) == KEPT


@pytest.mark.parametrize("places", [READY_ANYWAY, PROMOTED_ANYWAY])
def test_a_copy_is_ready_for_as_long_as_its_exception(
    gate: Gate, clock: Clock, places: dict[str, str]
) -> None:
    modes(gate, **places)
    write_exception(gate.folder)
    original = gate.judged(backdoored())
    gate.store.create_registered_model("signs-production")
    gate.store.copy_model_version(original, "signs-production")
    assert status(gate, "signs-production") == "READY"
    assert admitted(gate) == [(1, True), (1, True)]
    clock.ahead = 13 * DAY
    if places is PROMOTED_ANYWAY:
        with assert_refused("has expired: known-attractor"):
            read(gate, "signs-production")
    else:
        with assert_refused(REFUSED):
            promote(gate, name="signs-production")


@pytest.mark.parametrize("places", [READY_ANYWAY, PROMOTED_ANYWAY])
def test_a_new_name_keeps_what_is_promoted(gate: Gate, places: dict[str, str]) -> None:
    modes(gate, **places)
    write_exception(gate.folder)
    gate.judged(backdoored())
    promote(gate)
    gate.store.rename_registered_model("signs", "signs-two")
    assert gate.store.get_model_version("signs-two", 1).aliases == ["champion"]
    assert admitted(gate)[-1] == (1, True)


def test_a_new_name_after_its_end_keeps_it_ready_by_audit_only(gate: Gate, clock: Clock) -> None:
    modes(gate, **READY_ANYWAY)
    write_exception(gate.folder)
    gate.judged(backdoored())
    as_if_ended(gate)
    clock.ahead = 13 * DAY
    gate.store.rename_registered_model("signs", "signs-two")
    assert (status(gate, "signs-two"), admitted(gate)[-1]) == ("READY", (2, False))


def test_tags_make_nothing_readable_whose_exception_has_ended(gate: Gate, clock: Clock) -> None:
    gate.set_policy(**ALLOWED)
    dev = {"registered_models": ["signs*"], "tags": {"tier": "dev"}}
    gate.set_policy("trial", enforcement="audit", precedence=1, match=dev)
    write_exception(gate.folder)
    gate.judged(backdoored())
    clock.ahead = 13 * DAY
    gate.store.set_registered_model_tag("signs", RegisteredModelTag("tier", "dev"))
    with assert_refused("has expired: known-attractor"):
        read(gate)


def test_an_exception_keeps_readable_what_a_mode_had_admitted(gate: Gate, clock: Clock) -> None:
    modes(gate, registration="audit", promotion="audit")
    gate.judged(backdoored())
    modes(gate)
    with assert_refused("the verdict is failed"):
        read(gate)
    write_exception(gate.folder)
    assert read(gate) == KEPT
    promote(gate)
    assert admitted(gate) == [(1, False), (1, True)]
    clock.ahead = 13 * DAY
    with assert_refused("has expired: known-attractor"):
        read(gate)


def test_no_exception_is_used_where_all_is_admitted(gate: Gate) -> None:
    modes(gate, registration="warn", promotion="audit")
    write_exception(gate.folder)
    version = gate.judged(backdoored())
    promote(gate)
    assert "xray_gate.exceptions" not in version.tags
    assert admitted(gate) == [(1, False)]


@pytest.mark.parametrize("places", [{}, READY_ANYWAY, PROMOTED_ANYWAY])
def test_a_replay_of_the_same_policy_changes_nothing(gate: Gate, places: dict[str, str]) -> None:
    modes(gate, **places)
    write_exception(gate.folder)
    gate.judged(backdoored())
    now = time.time()
    with gate.connection() as connection:
        (scan,) = list(past_scans(connection, "default", now))
    (row,) = list(replay(gate.parts.policies(), [scan], is_free=lambda *_: False, now=now))
    assert (scan.admitted, row.is_changed) == (True, False)
    excused = () if places is PROMOTED_ANYWAY else ("known-attractor",)
    assert tuple(one.name for one in row.excused_by) == excused


def test_the_mode_of_a_commit_asks_for_no_exception(gate: Gate) -> None:
    modes(gate, pre_commit="off", pull_request="off")
    gate.judged(backdoored())
    with assert_refused(REFUSED):
        promote(gate)
    write_exception(gate.folder, created=day(-1))
    promote(gate)
