"""What MLflow's own rows show of a verdict: status, message, place of the files, mirrored tags."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion, SqlModelVersionTag
from sqlalchemy import Connection, delete, insert, update

from xray_gate.core.verdict import Decision
from xray_gate.scan.work import VersionKey


@dataclass(frozen=True)
class VersionStatus:
    """What a version's row says from now on; `snapshot` replaces the place of its files."""

    ready: bool
    message: str
    snapshot: str | None = None


def set_status(connection: Connection, key: VersionKey, status: VersionStatus) -> bool:
    """Write the status; False where there is no such version any more."""
    place = {} if status.snapshot is None else {"storage_location": status.snapshot}
    ready = "READY" if status.ready else "FAILED_REGISTRATION"
    return _update(connection, key, {"status": ready, "status_message": status.message, **place})


def set_waiting(
    connection: Connection, key: VersionKey, message: str, *, spare_ready: bool = False
) -> bool:
    """Let the version wait for a scan; False where there is no such version any more.

    `spare_ready`: one that is READY stays what it is, and False is the answer.
    """
    waiting = {"status": "PENDING_REGISTRATION", "status_message": message}
    return _update(connection, key, waiting, spare_ready=spare_ready)


def set_message(connection: Connection, key: VersionKey, message: str) -> None:
    """Let a version's status say more; the status itself stays."""
    _update(connection, key, {"status_message": message})


def _update(
    connection: Connection,
    key: VersionKey,
    values: Mapping[str, str],
    *,
    spare_ready: bool = False,
) -> bool:
    table = SqlModelVersion.__table__
    of_version = [
        table.c.workspace == key.workspace,
        table.c.name == key.name,
        table.c.version == key.version,
        # MLflow keeps the rows of deleted versions.
        table.c.current_stage.is_distinct_from(STAGE_DELETED_INTERNAL),
    ]
    if spare_ready:
        of_version.append(table.c.status.is_distinct_from("READY"))
    changed = connection.execute(update(table).where(*of_version).values(values))
    return bool(changed.rowcount)


def mirror_tags(connection: Connection, key: VersionKey, tags: Mapping[str, str]) -> None:
    """Let tags of the gate's own say what the ledger says; they decide nothing."""
    table = SqlModelVersionTag.__table__
    for tag, value in tags.items():
        same = {"workspace": key.workspace, "name": key.name, "version": key.version, "key": tag}
        connection.execute(
            delete(table).where(*(table.c[column] == wanted for column, wanted in same.items()))
        )
        connection.execute(insert(table).values(**same, value=value))


def excuse_tags(decision: Decision) -> dict[str, str]:
    """The tag that names the exceptions which admit it; none without any."""
    names = ", ".join(excuse.name for excuse in decision.excused_by)
    return {"xray_gate.exceptions": names} if names else {}
