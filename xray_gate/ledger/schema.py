"""Creates and upgrades the ledger's tables, with Alembic and a version table of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from xray_gate.ledger.triggers.installing import TriggerState, install, remove

VERSION_TABLE = "xray_gate_alembic_version"
_LOCK_KEY = 7_240_915_113_002


def upgrade(engine: Engine) -> None:
    """Bring the tables to this release's schema; safe when several servers start at once."""
    with exclusive(engine) as connection:
        if revision(connection) == newest_revision():
            return
        # They refuse changes of what is kept for ever, and SQLite renames no table while one speaks
        # of another that is gone for the moment.
        before = remove(connection)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if before is not TriggerState.ABSENT:
            install(connection)


@contextmanager
def exclusive(engine: Engine) -> Iterator[Connection]:
    """One transaction beside which nobody else changes the schema; commits when it ends well."""
    with engine.connect() as connection:
        _lock(connection)
        yield connection
        connection.commit()


def revision(connection: Connection) -> str | None:
    """The schema that a database has, or None where the ledger has no tables."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def newest_revision() -> str:
    """The schema of this release."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    assert newest is not None
    return newest


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _lock(connection: sqlalchemy.Connection) -> None:
    # Every server worker builds its own store: without a lock, two would create the same table.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
    else:
        connection.execute(text("PRAGMA busy_timeout = 20000"))
        connection.execute(text("BEGIN IMMEDIATE"))
