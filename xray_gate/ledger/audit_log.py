"""The audit log's table: lines are appended in the transaction of what they tell, and only read.

Whoever appends holds the row of the newest line until the transaction ends, so lines form one
chain. Append last in a transaction: what is locked after that row can be waited for by somebody who
waits for the row.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from xray_gate.core.audit_chain import Head
from xray_gate.core.audit_line import LogNote, canonical, chained
from xray_gate.core.errors import XrayGateError
from xray_gate.ledger.tables import log, log_head

_ONLY = log_head.c.id == 1
# Made once, since every promotion waits for these. A write that changes nothing takes the lock on
# both databases, and gives back what the last one who held it has written.
_LOCK = update(log_head).where(_ONLY).values(seq=log_head.c.seq).returning(log_head)
_INSERT = insert(log)
_MOVE = (
    update(log_head).where(_ONLY).values(seq=bindparam("newest_seq"), hash=bindparam("newest_hash"))
)
# In one statement, where the database can: each is a journey to another machine.
_INSERT_AND_MOVE = _MOVE.add_cte(
    insert(log).values({column.name: bindparam(column.name) for column in log.c}).cte("appended")
)


class AuditLog:
    """Only ever adds lines."""

    def append_log(self, connection: Connection, notes: Sequence[LogNote], now: float) -> None:
        """Add lines to the chain; the last thing that a transaction does before it commits."""
        if not notes:
            return
        head = connection.execute(_LOCK).first()
        if head is None:
            raise XrayGateError(
                "the audit log has lost its newest line's row, so nothing more can happen; run "
                "`xray-gate log --check` and restore the ledger from a back-up"
            )
        seq, previous, rows = head.seq, head.hash, list[dict[str, Any]]()
        for note in notes:
            line = chained(note, seq + 1, now, previous)
            seq, previous = line["seq"], line["hash"]
            rows.append({**line, "details": canonical(line["details"])})
        newest = {"newest_seq": seq, "newest_hash": previous}
        if len(rows) == 1 and connection.dialect.name == "postgresql":
            connection.execute(_INSERT_AND_MOVE, {**rows[0], **newest})
        else:
            connection.execute(_INSERT, rows)
            connection.execute(_MOVE, newest)

    def log_head(self, connection: Connection) -> Head | None:
        """The newest line's number and hash; None where the row is gone."""
        row = connection.execute(select(log_head).where(_ONLY)).first()
        return None if row is None else Head(row.seq, row.hash, "the database")
