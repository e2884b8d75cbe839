"""Bytes whose admission was withdrawn."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Nothing was withdrawn before."""
    op.create_table(
        "xray_gate_revocations",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.String(80), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("revoked_by", sa.String(200), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_index("ix_xray_gate_revocations_digest", "xray_gate_revocations", ["digest"])


def downgrade() -> None:
    """Refused: a ledger only grows."""
    raise NotImplementedError("the ledger cannot be downgraded; restore a back-up instead")
