"""Run by Alembic: the connection, already locked, comes from `ledger.schema`."""

from alembic import context

from xray_gate.ledger.schema import VERSION_TABLE
from xray_gate.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # The caller holds the lock and ends the transaction.
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
