"""A table for what the gate lets through although no verdict admits it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table; its rows live as long as a transaction."""
    op.create_table(
        "xray_gate_free_promotions",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("workspace", sa.String(63), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("value", sa.String(256), nullable=False),
    )


def downgrade() -> None:
    """Refused: a ledger only grows."""
    raise NotImplementedError("the ledger cannot be downgraded; restore a back-up instead")
