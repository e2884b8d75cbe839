"""Puts the triggers into a database, takes them out, and says what is there."""

import re
from enum import StrEnum

from sqlalchemy import Connection, text

from xray_gate.ledger.triggers.statements import CREATE, DROP, statements

_NAMED = re.compile(r"CREATE (?:TRIGGER|VIEW) (\w+)")
_FUNCTION = re.compile(r"CREATE FUNCTION (\w+)\(.*\$xray_gate\$(.*)\$xray_gate\$", re.DOTALL)
_ON_TABLE = re.compile(r"CREATE TRIGGER (\w+)\n.* ON (\w+)\n")

_SQLITE_SQL = text(
    "SELECT name, sql FROM sqlite_master "
    "WHERE type IN ('trigger', 'view') AND substr(name, 1, 10) = 'xray_gate_'"
)
_POSTGRESQL_FUNCTIONS = text(
    "SELECT p.proname, p.prosrc FROM pg_proc AS p "
    "JOIN pg_namespace AS n ON n.oid = p.pronamespace "
    "WHERE n.nspname = current_schema() AND substr(p.proname, 1, 10) = 'xray_gate_'"
)
_POSTGRESQL_TRIGGERS = text(
    "SELECT t.tgname, c.relname, t.tgenabled FROM pg_trigger AS t "
    "JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE n.nspname = current_schema() AND substr(t.tgname, 1, 10) = 'xray_gate_'"
)


class TriggerState(StrEnum):
    """What a database has of this release's triggers."""

    ABSENT = "absent"
    OTHER = "other"
    CURRENT = "current"


def install(connection: Connection) -> TriggerState:
    """Put this release's triggers in the place of whatever is there; what was there before.

    The caller owns the transaction. Both tables of MLflow and the ledger's must exist.
    """
    before = trigger_state(connection)
    if before is not TriggerState.CURRENT:
        _run(connection, DROP)
        _run(connection, CREATE)
    return before


def remove(connection: Connection) -> TriggerState:
    """Take the triggers of every release away; what was there before. The ledger stays."""
    before = trigger_state(connection)
    _run(connection, DROP)
    return before


def trigger_state(connection: Connection) -> TriggerState:
    """Compares what the database runs with this release's text: a changed trigger is another."""
    found = _found(connection)
    if not found:
        return TriggerState.ABSENT
    same = found == _expected(connection.dialect.name)
    return TriggerState.CURRENT if same else TriggerState.OTHER


def _found(connection: Connection) -> dict[str, str]:
    """Name to text; of PostgreSQL's triggers, name to table and whether they fire."""
    if connection.dialect.name == "sqlite":
        return {row.name: row.sql for row in connection.execute(_SQLITE_SQL)}
    found = {row.proname: row.prosrc for row in connection.execute(_POSTGRESQL_FUNCTIONS)}
    for name, table, enabled in connection.execute(_POSTGRESQL_TRIGGERS):
        # "O" fires in ordinary sessions; pg_trigger's "char" comes as bytes from some drivers.
        state = enabled.decode() if isinstance(enabled, bytes) else enabled
        found[name] = table if state in ("O", "A") else "disabled"
    return found


def _expected(dialect: str) -> dict[str, str]:
    created = statements(dialect, CREATE)
    if dialect == "sqlite":
        return {match[1]: part for part in created if (match := _NAMED.match(part))}
    expected = {match[1]: match[2] for part in created if (match := _FUNCTION.match(part))}
    expected |= {match[1]: match[2] for part in created if (match := _ON_TABLE.match(part))}
    return expected


def _run(connection: Connection, what: str) -> None:
    for statement in statements(connection.dialect.name, what):
        connection.exec_driver_sql(statement)
