"""What the rows of MLflow's registry say: whose version, a prompt or a model, copied from where."""

from typing import Any

import sqlalchemy
from mlflow.prompt.constants import _PROMPT_SOURCE_PLACEHOLDERS, IS_PROMPT_TAG_KEY
from mlflow.store.artifact.utils.models import _parse_model_uri
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlRegisteredModel,
    SqlRegisteredModelTag,
)
from sqlalchemy import Connection, bindparam, select, update

from xray_gate.scan.work import VersionKey

RESERVED_TAGS = "xray_gate."

_VERSIONS = SqlModelVersion.__table__
# Made once, since every promotion waits for it.
_VERSION = select(_VERSIONS).where(
    _VERSIONS.c.workspace == bindparam("of_workspace"),
    _VERSIONS.c.name == bindparam("of_name"),
    _VERSIONS.c.version == bindparam("of_version"),
)


def is_reserved_tag(key: str) -> bool:
    """Whether a tag mirrors the ledger, so that clients may not write it."""
    return key.lower().startswith(RESERVED_TAGS)


def is_prompt(connection: Connection, workspace: str, name: str, source: str | None) -> bool:
    """Whether a version is a prompt: its model says so, and it has no artifacts to load.

    The tag alone is not believed: a model could call itself a prompt.
    """
    if source not in _PROMPT_SOURCE_PLACEHOLDERS:
        return False
    table = SqlRegisteredModelTag.__table__
    value = connection.execute(
        select(table.c.value).where(
            table.c.workspace == workspace,
            table.c.name == name,
            table.c.key == IS_PROMPT_TAG_KEY,
        )
    ).scalar()
    return str(value).lower() == "true"


def model_tags(connection: Connection, workspace: str, name: str) -> dict[str, str]:
    """The tags of a registered model, as the database has them."""
    table = SqlRegisteredModelTag.__table__
    of_model = (table.c.workspace == workspace, table.c.name == name)
    rows = connection.execute(select(table.c.key, table.c.value).where(*of_model))
    return {row.key: row.value or "" for row in rows}


def renamed_model(row: Any) -> tuple[str, str] | None:
    """Workspace and old name of a registered model that gets another name."""
    old_name = changed_from(row) if isinstance(row, SqlRegisteredModel) else None
    return None if old_name is None else (row.workspace, old_name)


def changed_from(row: SqlModelVersion | SqlRegisteredModel) -> str | None:
    """The old name of a row that gets another name in this flush, else None."""
    history = sqlalchemy.inspect(row).attrs.name.history
    return history.deleted[0] if history.has_changes() and history.deleted else None


def key_of(row: Any) -> VersionKey:
    """The version that a row of MLflow's table of versions is."""
    return VersionKey(row.workspace, row.name, int(row.version))


def copied_from(row: SqlModelVersion) -> VersionKey | None:
    """The version that a new one is a copy of, or None where it is no copy."""
    original = copied_version(row.source)
    return None if original is None else VersionKey(row.workspace, *original)


def copied_version(source: str | None) -> tuple[str, int] | None:
    """Name and number of the version that a source names, or None where it names none."""
    if not str(source).lower().startswith("models:"):
        return None
    parsed = _parse_model_uri(source)
    if parsed.name is None or parsed.version is None:
        return None
    return parsed.name, int(parsed.version)


def lock_model(connection: Connection, workspace: str, name: str) -> bool:
    """Keep a registered model's name as it is until this transaction ends; False if it is gone.

    A rename and a new version must not cross: the version would be left under the old name.
    """
    table = SqlRegisteredModel.__table__
    # A write that changes nothing locks the row on both databases.
    changed = connection.execute(
        update(table)
        .where(table.c.workspace == workspace, table.c.name == name)
        .values(last_updated_time=table.c.last_updated_time)
    )
    return bool(changed.rowcount)


def version_row(connection: Connection, key: VersionKey) -> Any:
    """A version's row as the database has it, or None."""
    asked = {"of_workspace": key.workspace, "of_name": key.name, "of_version": key.version}
    return connection.execute(_VERSION, asked).first()
