"""Creates and upgrades the ledger's tables, with Alembic and a version table of its own."""

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

_LOCK_KEY = 7_240_915_113_002


def upgrade(engine: Engine) -> None:
    """Bring the tables to this release's schema; safe when several servers start at once."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect() as connection:
        _lock(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def _lock(connection: sqlalchemy.Connection) -> None:
    # Every server worker builds its own store: without a lock, two would create the same table.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
    else:
        connection.execute(text("PRAGMA busy_timeout = 20000"))
        connection.execute(text("BEGIN IMMEDIATE"))
