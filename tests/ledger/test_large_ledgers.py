"""What a runner asks must not take the longer, the more versions are finished.

Counted in statements and told by the database's own plan, as times would follow the machine.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Engine

from tests.support.evidence import backdoored
from tests.support.gate import Gate
from xray_gate.core.verdict import Decision, Enforcement, Verdict
from xray_gate.ledger.ledger import Ledger
from xray_gate.ledger.schema import upgrade
from xray_gate.scan.work import Registration, VersionKey, VersionState

NOW = 1_000_000.0
ledger = Ledger()
PASSED = Decision(Verdict.PASSED, ("fine",), (), Enforcement.ENFORCE)
AUDITED = Decision(Verdict.FAILED, ("not fine",), (), Enforcement.AUDIT)
Statements = list[tuple[str, Any]]


def add(
    engine: Engine,
    version: int,
    *verdicts: Decision,
    state: VersionState = VersionState.ADMITTED,
    name: str = "signs",
) -> int:
    with engine.begin() as connection:
        number = ledger.register(connection, VersionKey("default", name, version), "s3://a", NOW)
        ledger.set_state(connection, number, state, None)
        for verdict in verdicts:
            ledger.record_verdict(connection, number, verdict, ("p", "d"), None, NOW)
    return number


def champion(engine: Engine, number: int = 0) -> int | None:
    """The version that is compared with the registration `number` of `signs`."""
    key = VersionKey("default", "signs", 99)
    asking = Registration(number, key, "s3://a", VersionState.WAITING, 1)
    with engine.begin() as connection:
        found = ledger.newest_passed(connection, asking)
    return None if found is None else found.id


@contextmanager
def recorded(engine: Engine) -> Iterator[Statements]:
    found: Statements = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        found.append((statement, parameters))

    sqlalchemy.event.listen(engine, "before_cursor_execute", note)
    yield found
    sqlalchemy.event.remove(engine, "before_cursor_execute", note)


def plan(engine: Engine, statements: Statements) -> str:
    with engine.connect() as connection:
        rows = [
            row
            for statement, parameters in statements
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    return "\n".join(str(row[-1]) for row in rows)


def test_the_newest_version_that_passed_is_found_past_those_that_did_not(engine: Engine) -> None:
    add(engine, 1, PASSED)
    wanted = add(engine, 2, PASSED)
    add(engine, 3, AUDITED)
    add(engine, 4, PASSED, AUDITED)
    add(engine, 5, PASSED, state=VersionState.REFUSED)
    add(engine, 6, state=VersionState.WAITING)
    add(engine, 7)
    add(engine, 8, PASSED, name="faces")
    assert champion(engine) == wanted


def test_a_version_is_not_its_own_champion(engine: Engine) -> None:
    only = add(engine, 1, PASSED)
    assert champion(engine, only) is None


def test_the_newest_verdict_counts_whichever_it_is(engine: Engine) -> None:
    wanted = add(engine, 1, AUDITED, PASSED)
    assert champion(engine) == wanted


def test_a_version_of_a_name_that_was_used_again_is_hidden_by_its_successor(engine: Engine) -> None:
    add(engine, 1, PASSED)
    add(engine, 1, state=VersionState.WAITING)
    assert champion(engine) is None


def test_a_deleted_successor_hides_nothing(engine: Engine) -> None:
    wanted = add(engine, 1, PASSED)
    add(engine, 1, PASSED, state=VersionState.DELETED)
    assert champion(engine) == wanted


def test_a_runner_asks_once_for_the_champion_however_many_did_not_pass(
    sqlite_database: str, tmp_path: Path
) -> None:
    gate = Gate(sqlite_database, tmp_path / "policies")
    gate.set_policy(enforcement="audit")
    for _ in range(3):
        gate.judged(backdoored())
    gate.register()
    lease = gate.work.claim()
    assert lease is not None
    with recorded(gate.plain.engine) as statements:
        assert gate.work.champion_for(lease) is None
    # Beside what SQLite is told of each new connection.
    assert len([text for text, _ in statements if "xray_gate" in text]) == 1


def test_the_champion_is_looked_for_in_the_order_of_an_index(sqlite_database: str) -> None:
    engine = sqlalchemy.create_engine(sqlite_database)
    upgrade(engine)
    with recorded(engine) as statements:
        champion(engine)
    found = plan(engine, statements)
    engine.dispose()
    assert "xray_gate_registrations_version" in found
    # Neither sorts what it would have to read first, nor reads whole tables.
    assert "TEMP B-TREE" not in found
    assert "SCAN xray_gate" not in found


def test_the_look_for_waiting_versions_reads_no_finished_one(sqlite_database: str) -> None:
    engine = sqlalchemy.create_engine(sqlite_database)
    upgrade(engine)
    with recorded(engine) as statements, engine.begin() as connection:
        ledger.runner_seen(connection, "one", NOW)
        assert ledger.claim(connection, "one", NOW, 60.0) is None
    found = plan(engine, [(s, p) for s, p in statements if not s.startswith("INSERT")])
    engine.dispose()
    assert "xray_gate_registrations_queue (state=? AND lease_until<?)" in found
    assert "SCAN xray_gate" not in found
