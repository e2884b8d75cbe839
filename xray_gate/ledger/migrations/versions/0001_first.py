"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create every table; written out, so that a later change of the tables leaves it alone."""
    op.create_table(
        "xray_gate_registrations",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("workspace", sa.String(63), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("location", sa.String(500), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("lease_owner", sa.String(100), nullable=True),
        sa.Column("lease_until", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("scan_id", sa.String(36), nullable=True),
    )
    op.create_index(
        "xray_gate_registrations_version",
        "xray_gate_registrations",
        ["workspace", "name", "version"],
    )
    op.create_index(
        "xray_gate_registrations_queue", "xray_gate_registrations", ["state", "lease_until"]
    )
    op.create_table(
        "xray_gate_scans",
        sa.Column("scan_id", sa.String(36), primary_key=True),
        sa.Column("digest", sa.String(80), nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("run_id", sa.String(32), nullable=True),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_index("ix_xray_gate_scans_digest", "xray_gate_scans", ["digest"])
    op.create_table(
        "xray_gate_verdicts",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column(
            "registration_id",
            _ID,
            sa.ForeignKey("xray_gate_registrations.id"),
            nullable=False,
        ),
        sa.Column("scan_id", sa.String(36), nullable=True),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("admits", sa.Integer, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("policy_name", sa.String(100), nullable=False),
        sa.Column("policy_digest", sa.String(80), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_index(
        "ix_xray_gate_verdicts_registration_id", "xray_gate_verdicts", ["registration_id"]
    )
    op.create_table(
        "xray_gate_policy_sets",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.String(80), nullable=False),
        sa.Column("policies", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_table(
        "xray_gate_runners",
        sa.Column("owner", sa.String(100), primary_key=True),
        sa.Column("last_seen", sa.Float, nullable=False),
    )


def downgrade() -> None:
    """Refused: a ledger only grows."""
    raise NotImplementedError("the ledger cannot be downgraded; restore a back-up instead")
