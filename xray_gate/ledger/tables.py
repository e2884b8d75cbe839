"""The ledger's tables, beside MLflow's own in the registry's database.

`scans`, `verdicts`, `revocations` and `log` only grow; so does `break_glass`, where a use and a
review are added once. `registrations` is the work queue; `policy_sets` and `runners` are what
server and runners tell each other. Times are seconds since the epoch, but in `log`, whose lines are
hashed as people read them.
`free_promotions` is empty but within a transaction of the gate's: there it tells the triggers which
aliases and stages need no verdict.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()
# SQLite counts rows up by itself only for INTEGER primary keys.
_Id = BigInteger().with_variant(Integer, "sqlite")

registrations = Table(
    "xray_gate_registrations",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("workspace", String(63), nullable=False),
    Column("name", String(256), nullable=False),
    Column("version", Integer, nullable=False),
    Column("location", String(500), nullable=False),
    Column("state", String(20), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("lease_owner", String(100), nullable=True),
    Column("lease_until", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("scan_id", String(36), nullable=True),
    Column("kept", Integer, nullable=False, server_default="0"),
    # Why the last try came to nothing, until there is a verdict.
    Column("failure", Text, nullable=True),
    Index("xray_gate_registrations_version", "workspace", "name", "version"),
    Index("xray_gate_registrations_queue", "state", "lease_until"),
)

scans = Table(
    "xray_gate_scans",
    metadata,
    Column("scan_id", String(36), primary_key=True),
    Column("digest", String(80), nullable=False, index=True),
    Column("evidence", Text, nullable=False),
    Column("run_id", String(32), nullable=True),
    Column("created_at", Float, nullable=False),
)

verdicts = Table(
    "xray_gate_verdicts",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column(
        "registration_id",
        ForeignKey("xray_gate_registrations.id"),
        nullable=False,
        index=True,
    ),
    Column("scan_id", String(36), nullable=True),
    Column("verdict", String(20), nullable=False),
    # 0: nothing, 1: READY and promotions, 2: READY only, 3: promotions only, once asked for.
    Column("admits", Integer, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("policy_name", String(100), nullable=False),
    Column("policy_digest", String(80), nullable=False),
    Column("created_at", Float, nullable=False),
    # The signed envelope, where the runner had a key.
    Column("attestation", Text, nullable=True),
    # The exceptions that admitted it, as JSON, and when the first of them ends.
    Column("exceptions", Text, nullable=True),
    Column("admits_until", Float, nullable=True),
)

revocations = Table(
    "xray_gate_revocations",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("digest", String(80), nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("revoked_by", String(200), nullable=False),
    Column("created_at", Float, nullable=False),
)

break_glass = Table(
    "xray_gate_break_glass",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column(
        "registration_id",
        ForeignKey("xray_gate_registrations.id"),
        nullable=False,
        index=True,
    ),
    Column("digest", String(80), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("value", String(256), nullable=False),
    Column("justification", Text, nullable=False),
    Column("ticket", String(500), nullable=True),
    Column("opened_by", String(200), nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("used_at", Float, nullable=True),
    Column("reviewed_by", String(200), nullable=True),
    Column("reviewed_at", Float, nullable=True),
    Column("note", Text, nullable=True),
)

policy_sets = Table(
    "xray_gate_policy_sets",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("digest", String(80), nullable=False),
    Column("policies", Text, nullable=False),
    Column("created_at", Float, nullable=False),
)

runners = Table(
    "xray_gate_runners",
    metadata,
    Column("owner", String(100), primary_key=True),
    Column("last_seen", Float, nullable=False),
)

free_promotions = Table(
    "xray_gate_free_promotions",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("workspace", String(63), nullable=False),
    Column("name", String(256), nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("value", String(256), nullable=False),
)

log = Table(
    "xray_gate_log",
    metadata,
    Column("seq", _Id, primary_key=True, autoincrement=False),
    Column("at", String(27), nullable=False),
    Column("event", String(30), nullable=False),
    Column("via", String(20), nullable=False),
    Column("actor", String(256), nullable=True),
    Column("workspace", String(63), nullable=True),
    Column("name", String(256), nullable=True),
    Column("version", Integer, nullable=True),
    Column("details", Text, nullable=False),
    Column("policy", String(100), nullable=True),
    Column("policy_digest", String(80), nullable=True),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("xray_gate_log_version", "name", "version"),
)

# One row: the newest line's. Writers queue up at it.
log_head = Table(
    "xray_gate_log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)
