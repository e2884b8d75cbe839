"""Whether the gate keeps its own copy of a version's files."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What was scanned before lies at the registrant's place."""
    op.add_column(
        "xray_gate_registrations",
        sa.Column("kept", sa.Integer, nullable=False, server_default="0"),
    )


def downgrade() -> None:
    """Refused: a ledger only grows."""
    raise NotImplementedError("the ledger cannot be downgraded; restore a back-up instead")
