"""Promotions that an operator let through although nothing admits them."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Nobody could before."""
    op.create_table(
        "xray_gate_break_glass",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column(
            "registration_id",
            _ID,
            sa.ForeignKey("xray_gate_registrations.id"),
            nullable=False,
        ),
        sa.Column("digest", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("value", sa.String(256), nullable=False),
        sa.Column("justification", sa.Text, nullable=False),
        sa.Column("ticket", sa.String(500), nullable=True),
        sa.Column("opened_by", sa.String(200), nullable=False),
        sa.Column("opened_at", sa.Float, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("used_at", sa.Float, nullable=True),
        sa.Column("reviewed_by", sa.String(200), nullable=True),
        sa.Column("reviewed_at", sa.Float, nullable=True),
        sa.Column("note", sa.Text, nullable=True),
    )
    op.create_index(
        "ix_xray_gate_break_glass_registration_id", "xray_gate_break_glass", ["registration_id"]
    )


def downgrade() -> None:
    """Refused: a ledger only grows."""
    raise NotImplementedError("the ledger cannot be downgraded; restore a back-up instead")
