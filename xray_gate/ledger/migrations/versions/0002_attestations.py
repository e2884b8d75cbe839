"""Signed verdicts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Verdicts from before have none."""
    op.add_column("xray_gate_verdicts", sa.Column("attestation", sa.Text, nullable=True))


def downgrade() -> None:
    """Refused: a ledger only grows."""
    raise NotImplementedError("the ledger cannot be downgraded; restore a back-up instead")
