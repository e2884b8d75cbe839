"""Which exceptions admitted a version, and until when."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing was admitted by an exception before."""
    op.add_column("xray_gate_verdicts", sa.Column("exceptions", sa.Text, nullable=True))
    op.add_column("xray_gate_verdicts", sa.Column("admits_until", sa.Float, nullable=True))


def downgrade() -> None:
    """Refused: a ledger only grows."""
    raise NotImplementedError("the ledger cannot be downgraded; restore a back-up instead")
