"""The lines of the audit log, as they were hashed."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from xray_gate.core.audit_line import canonical
from xray_gate.core.strict_json import loads_strictly
from xray_gate.ledger.tables import log

_AT_ONCE = 500


@dataclass(frozen=True)
class LogFilter:
    """What is wanted of the log; None and empty for no matter what.

    `since` and `until` are times as lines have them (`core.audit_line.moment_text`), `until` not
    included.
    """

    name: str | None = None
    version: int | None = None
    workspace: str | None = None
    events: tuple[str, ...] = ()
    actor: str | None = None
    since: str | None = None
    until: str | None = None


EVERYTHING = LogFilter()


def log_lines(connection: Connection, wanted: LogFilter = EVERYTHING) -> Generator[dict[str, Any]]:
    """The lines that are wanted, oldest first; some hundreds are held at a time.

    Close the iterator where it is not read to its end.
    """
    statement = (
        select(log)
        .where(*_conditions(wanted))
        .order_by(log.c.seq)
        .execution_options(yield_per=_AT_ONCE)
    )
    # Whoever looks for something may stop in the middle.
    with connection.execute(statement) as rows:
        for row in rows:
            yield _line(row)


def _conditions(wanted: LogFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (log.c.name, wanted.name),
            (log.c.version, wanted.version),
            (log.c.workspace, wanted.workspace),
            (log.c.actor, wanted.actor),
        )
        if value is not None
    ]
    if wanted.events:
        found.append(log.c.event.in_(wanted.events))
    if wanted.since is not None:
        found.append(log.c.at >= wanted.since)
    if wanted.until is not None:
        found.append(log.c.at < wanted.until)
    return found


def _line(row: Row[Any]) -> dict[str, Any]:
    line: dict[str, Any] = dict(row._mapping)
    line["details"] = _details(row.details)
    return line


def _details(text: Any) -> Any:
    """What was hashed; the text itself where it is not, to the letter, what was written.

    A text has another hash than what it could be read as, so that it is found, also in an export.
    """
    try:
        details = loads_strictly(text)
        return details if canonical(details) == text else text
    except (ValueError, TypeError):
        return text
