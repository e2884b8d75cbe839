"""The audit log in a real database: appended, tampered with, checked."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from tests.support.audit import chain_problem
from xray_gate.core.audit_chain import Damage, Head, check_chain
from xray_gate.core.audit_file import check_exported, exported
from xray_gate.core.audit_line import LogEvent, LogNote, Via, Who, hash_of
from xray_gate.ledger.ledger import Ledger
from xray_gate.ledger.log_reading import LogFilter, log_lines
from xray_gate.ledger.schema import upgrade
from xray_gate.ledger.tables import log, registrations
from xray_gate.ledger.triggers.installing import install
from xray_gate.wiring.auditing import check_log

ANN, BOB = Who(Via.SERVER, "ann"), Who(Via.COMMAND, "bob")
KINDS = (LogEvent.REGISTERED, LogEvent.VERDICT, LogEvent.PROMOTION_GRANTED)
NOTES = [
    LogNote(
        KINDS[number % 3],
        ANN if number % 2 else BOB,
        "default" if number < 4 else "team-a",
        f"signs-{number % 2}",
        number,
        {"reason": f"of {number}", "left": [1, None, True]},
        ("images", "sha256:0"),
    )
    for number in range(8)
]
LENGTH = len(NOTES) + 1


@pytest.fixture
def written(engine: Engine) -> Engine:
    """One line of the beginning, and eight more; the last three at once."""
    with engine.begin() as connection:
        for number, note in enumerate(NOTES[:5]):
            Ledger().append_log(connection, [note], 1_700_000_000.5 + number)
    with engine.begin() as connection:
        Ledger().append_log(connection, NOTES[5:], 1_700_000_100.0)
    return engine


@pytest.fixture
def undone(written: Engine) -> Iterator[Connection]:
    """A transaction in which anything can be done to the log: it is rolled back."""
    with written.connect() as connection:
        yield connection
        connection.rollback()


def uri(engine: Engine) -> str:
    return f"xray-gate+{engine.url.render_as_string(hide_password=False)}"


def found_by_check(engine: Engine, kept: list[Head] | None = None) -> tuple[int, Damage] | None:
    found = check_log(uri(engine), kept or []).broken
    return None if found is None else (found.seq, found.damage)


def damage(
    connection: Connection, folder: Path, kept: list[Head] | None = None
) -> tuple[int, Damage] | None:
    """What is found among the lines; in an export of them it must be the same."""
    heads, path = kept or [], folder / "log.jsonl"
    with closing(log_lines(connection)) as lines:
        found = check_chain(lines, heads).broken
    with closing(log_lines(connection)) as lines:
        path.write_text("".join(f"{exported(line)}\n" for line in lines))
    assert check_exported(path, heads).broken == found
    return None if found is None else (found.seq, found.damage)


def head_of(connection: Connection) -> Head:
    found = Ledger().log_head(connection)
    assert found is not None
    return found


def head(engine: Engine) -> Head:
    with engine.connect() as connection:
        return head_of(connection)


def change(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


CHANGES = [
    "at = '2020-01-01T00:00:00.000000Z'",
    "event = 'deleted'",
    "via = 'nobody'",
    "actor = 'eve'",
    "actor = ''",
    "workspace = 'other'",
    "name = 'other'",
    "version = 77",
    "details = '{}'",
    "details = replace(details, ':', ': ')",
    "details = 'no JSON'",
    "policy = 'other'",
    "policy_digest = 'other'",
    "previous = 'other'",
    "hash = 'other'",
]


def renumber(connection: Connection, old: int, new: int) -> None:
    connection.execute(text(f"UPDATE xray_gate_log SET seq = {new} WHERE seq = {old}"))


def test_what_was_appended_is_whole(written: Engine, tmp_path: Path) -> None:
    found = check_log(uri(written), [])
    assert (found.broken, found.lines) == (None, LENGTH)
    assert str(found.head) == str(head(written))
    with written.connect() as connection:
        assert damage(connection, tmp_path, [head_of(connection)]) is None
        lines = list(log_lines(connection))
    assert [line["seq"] for line in lines] == list(range(1, LENGTH + 1))
    assert [line["name"] for line in lines[1:]] == [note.name for note in NOTES]
    assert lines[1]["at"] == "2023-11-14T22:13:20.500000Z"
    assert lines[1]["details"] == {"reason": "of 0", "left": [1, None, True]}


def test_nothing_is_appended_where_there_is_nothing_to_tell(written: Engine) -> None:
    before = head(written)
    with written.begin() as connection:
        Ledger().append_log(connection, [], 1.0)
    assert head(written) == before


def test_a_changed_field_is_found_and_located(undone: Connection, tmp_path: Path) -> None:
    for number in (1, 2, LENGTH):
        for what in CHANGES:
            undone.execute(text(f"UPDATE xray_gate_log SET {what} WHERE seq = {number}"))
            assert damage(undone, tmp_path) == (number, Damage.CHANGED), what
            undone.rollback()


def test_a_line_with_a_hash_of_its_own_is_located(undone: Connection, tmp_path: Path) -> None:
    for number in range(1, LENGTH):
        line = list(log_lines(undone))[number - 1]
        changed = {"actor": "eve", "hash": hash_of({**line, "actor": "eve"})}
        undone.execute(update(log).where(log.c.seq == number).values(changed))
        assert damage(undone, tmp_path) == (number, Damage.CHANGED)
        undone.rollback()


def test_a_deleted_line_is_found_and_located(undone: Connection, tmp_path: Path) -> None:
    kept = [head_of(undone)]
    for number in range(1, LENGTH + 1):
        undone.execute(text(f"DELETE FROM xray_gate_log WHERE seq = {number}"))
        assert damage(undone, tmp_path, kept) == (number, Damage.REMOVED)
        for later in range(number + 1, LENGTH + 1):
            renumber(undone, later, later - 1)
        assert damage(undone, tmp_path, kept) == (number, Damage.REMOVED)
        undone.rollback()


def test_swapped_lines_are_found_and_located(undone: Connection, tmp_path: Path) -> None:
    for first, second in ((1, 2), (4, 5), (3, LENGTH), (1, LENGTH)):
        for old, new in ((first, 0), (second, first), (0, second)):
            renumber(undone, old, new)
        assert damage(undone, tmp_path) == (first, Damage.REORDERED)
        undone.rollback()


def copied(connection: Connection, number: int, **changes: Any) -> None:
    row = connection.execute(select(log).where(log.c.seq == number)).one()
    connection.execute(insert(log).values(**{**row._mapping, **changes}))


def test_an_inserted_line_is_found_and_located(undone: Connection, tmp_path: Path) -> None:
    for number in range(2, LENGTH + 1):
        for later in range(LENGTH, number - 1, -1):
            renumber(undone, later, later + 1)
        copied(undone, number - 1, seq=number, actor="eve")
        assert damage(undone, tmp_path) == (number, Damage.INSERTED)
        undone.rollback()


def test_what_is_wrong_in_a_registry_is_found(written: Engine) -> None:
    change(written, "UPDATE xray_gate_log SET actor = 'eve' WHERE seq = 4")
    assert found_by_check(written) == (4, Damage.CHANGED)
    change(written, f"DELETE FROM xray_gate_log WHERE seq IN (4, {LENGTH})")
    assert found_by_check(written) == (4, Damage.REMOVED)
    change(written, "DELETE FROM xray_gate_log WHERE seq > 3")
    # The row of the newest line knows that there were more.
    assert found_by_check(written) == (4, Damage.REMOVED)
    change(written, "DELETE FROM xray_gate_log")
    assert found_by_check(written) == (1, Damage.REMOVED)


def test_a_line_that_was_appended_past_the_gate_is_located(written: Engine) -> None:
    with written.begin() as connection:
        newest = list(log_lines(connection))[-1]
        own = {"seq": LENGTH + 1, "previous": newest["hash"], "actor": "eve"}
        copied(connection, LENGTH, **own, hash=hash_of({**newest, **own}))
    assert found_by_check(written) == (LENGTH + 1, Damage.INSERTED)


def cut_off(engine: Engine, count: int) -> None:
    """Take the newest lines away, and leave everything in the database as if it were whole."""
    change(engine, f"DELETE FROM xray_gate_log WHERE seq > {LENGTH - count}")
    change(
        engine,
        "UPDATE xray_gate_log_head SET seq = (SELECT max(seq) FROM xray_gate_log), "
        f"hash = (SELECT hash FROM xray_gate_log WHERE seq = {LENGTH - count})",
    )


def test_only_a_kept_head_shows_what_the_databases_owner_can_do(written: Engine) -> None:
    kept = [head(written)]
    cut_off(written, 2)
    assert found_by_check(written) is None
    assert found_by_check(written, kept) == (LENGTH - 1, Damage.REMOVED)
    # Others in their place.
    with written.begin() as connection:
        Ledger().append_log(connection, [NOTES[0]] * 3, 1.0)
    assert found_by_check(written) is None
    assert found_by_check(written, kept) == (LENGTH, Damage.REWRITTEN)


def test_the_row_of_the_newest_line_is_looked_at(written: Engine) -> None:
    change(written, "UPDATE xray_gate_log_head SET hash = 'other'")
    assert found_by_check(written) == (LENGTH, Damage.REWRITTEN)
    change(written, "DELETE FROM xray_gate_log_head")
    assert found_by_check(written) == (LENGTH, Damage.REMOVED)


FILTERS: list[tuple[LogFilter, list[int | None]]] = [
    (LogFilter(), [None, 0, 1, 2, 3, 4, 5, 6, 7]),
    (LogFilter(name="signs-1"), [1, 3, 5, 7]),
    (LogFilter(name="signs-1", version=3), [3]),
    (LogFilter(name="signs-1", workspace="team-a"), [5, 7]),
    (LogFilter(actor="bob"), [0, 2, 4, 6]),
    (LogFilter(events=("verdict", "log_began")), [None, 1, 4, 7]),
    (LogFilter(since="2023-11-14T22:13:21.500000Z", until="2023-11-14T22:13:23.500000Z"), [1, 2]),
    (LogFilter(name="nobody"), []),
]


def test_lines_are_filtered(undone: Connection) -> None:
    for wanted, versions in FILTERS:
        assert [line["version"] for line in log_lines(undone, wanted)] == versions


REFUSED = [
    "UPDATE xray_gate_log SET actor = 'eve' WHERE seq = 2",
    "DELETE FROM xray_gate_log WHERE seq = 2",
    "UPDATE xray_gate_log_head SET seq = seq - 1",
    "UPDATE xray_gate_log_head SET hash = 'other'",
    "UPDATE xray_gate_log_head SET id = 2",
    "DELETE FROM xray_gate_log_head",
]
TRUNCATED = ["TRUNCATE xray_gate_log", "TRUNCATE xray_gate_log_head"]


def test_the_triggers_refuse_what_does_not_append(written: Engine) -> None:
    with written.begin() as connection:
        install(connection)
    on_postgresql = written.dialect.name == "postgresql"
    for statement in [*REFUSED, *(TRUNCATED if on_postgresql else [])]:
        with pytest.raises(DBAPIError, match="xray-gate: "):
            change(written, statement)
    with written.begin() as connection:
        Ledger().append_log(connection, NOTES[:2], 1.0)
        Ledger().append_log(connection, NOTES[:1], 1.0)
    assert found_by_check(written) is None


def at_once(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)


def test_writers_at_once_make_one_chain(engine: Engine) -> None:
    def write() -> None:
        for number in range(15):
            with engine.begin() as connection:
                Ledger().append_log(connection, NOTES[: 1 + number % 3], 1.0)

    at_once([write] * 4)
    with engine.connect() as connection:
        assert chain_problem(connection) is None
    assert head(engine).seq == 1 + 4 * 15 * 2


def test_a_check_beside_writers_sees_a_whole_chain(engine: Engine) -> None:
    found = list[Any]()

    def write() -> None:
        for _ in range(40):
            with engine.begin() as connection:
                Ledger().append_log(connection, NOTES[:1], 1.0)

    def look() -> None:
        found.extend(found_by_check(engine) for _ in range(5))

    at_once([write, write, look])
    assert found == [None] * 5


def test_a_database_with_a_history_begins_with_a_line_that_says_so(engine: Engine) -> None:
    change(engine, "DROP TABLE xray_gate_break_glass")
    change(engine, "ALTER TABLE xray_gate_verdicts DROP COLUMN admits_until")
    change(engine, "ALTER TABLE xray_gate_verdicts DROP COLUMN exceptions")
    change(engine, "DROP TABLE xray_gate_log")
    change(engine, "DROP TABLE xray_gate_log_head")
    change(engine, "UPDATE xray_gate_alembic_version SET version_num = '0006'")
    with engine.begin() as connection:
        row = {"workspace": "default", "name": "signs", "location": "s3://x", "state": "waiting"}
        rest = {"created_at": 1.0, "lease_until": 0.0, "attempts": 0}
        for version in (1, 2):
            connection.execute(insert(registrations).values(version=version, **row, **rest))
    upgrade(engine)
    with engine.connect() as connection:
        assert chain_problem(connection) is None
        (line,) = log_lines(connection)
    assert (line["seq"], line["event"], line["via"]) == (1, "log_began", "upgrade")
    counts = {"registrations": 2, "scans": 0, "verdicts": 0, "revocations": 0}
    assert line["details"] == {"format": 1, **counts}
