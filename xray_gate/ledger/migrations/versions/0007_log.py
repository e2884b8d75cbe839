"""The audit log; its first line says what stood in the ledger before there was one."""

import time

import sqlalchemy as sa
from alembic import op

from xray_gate.core.audit_line import (
    FORMAT,
    NO_LINE,
    LogEvent,
    LogNote,
    Via,
    Who,
    canonical,
    chained,
)

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_BEFORE = ("registrations", "scans", "verdicts", "revocations")


def upgrade() -> None:
    """Create both tables, and begin the chain."""
    log = op.create_table(
        "xray_gate_log",
        sa.Column("seq", _ID, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("event", sa.String(30), nullable=False),
        sa.Column("via", sa.String(20), nullable=False),
        sa.Column("actor", sa.String(256), nullable=True),
        sa.Column("workspace", sa.String(63), nullable=True),
        sa.Column("name", sa.String(256), nullable=True),
        sa.Column("version", sa.Integer, nullable=True),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("policy", sa.String(100), nullable=True),
        sa.Column("policy_digest", sa.String(80), nullable=True),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("xray_gate_log_version", "xray_gate_log", ["name", "version"])
    head = op.create_table(
        "xray_gate_log_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    before = {table: _count(f"xray_gate_{table}") for table in _BEFORE}
    note = LogNote(LogEvent.LOG_BEGAN, Who(Via.UPGRADE), details={"format": FORMAT, **before})
    first = chained(note, 1, time.time(), NO_LINE)
    op.bulk_insert(log, [{**first, "details": canonical(first["details"])}])
    op.bulk_insert(head, [{"id": 1, "seq": 1, "hash": first["hash"]}])


def _count(table: str) -> int:
    return int(
        op.get_bind().execute(sa.select(sa.func.count()).select_from(sa.table(table))).scalar_one()
    )


def downgrade() -> None:
    """Refused: a ledger only grows."""
    raise NotImplementedError("the ledger cannot be downgraded; restore a back-up instead")
