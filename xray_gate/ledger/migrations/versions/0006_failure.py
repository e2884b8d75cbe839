"""Why the last try to scan a version came to nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of the tries before, nothing is known."""
    op.add_column("xray_gate_registrations", sa.Column("failure", sa.Text, nullable=True))


def downgrade() -> None:
    """Refused: a ledger only grows."""
    raise NotImplementedError("the ledger cannot be downgraded; restore a back-up instead")
