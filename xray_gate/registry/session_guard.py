"""The choke point: every write of MLflow's registry store is looked at before it reaches SQL.

MLflow's store writes through SQLAlchemy sessions. Looking at what a session is about to flush,
instead of overriding one method after another, sees every route to a promotion, in the very
transaction that makes it, and also those that a later MLflow adds.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy
from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
from mlflow.exceptions import MlflowException
from mlflow.prompt.constants import _PROMPT_SOURCE_PLACEHOLDERS, IS_PROMPT_TAG_KEY
from mlflow.store.artifact.utils.models import _parse_model_uri
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModelAlias,
    SqlRegisteredModelTag,
)
from sqlalchemy import Connection, select
from sqlalchemy.orm import ORMExecuteState, Session

from xray_gate.core.verdict import Decision
from xray_gate.policy.files import Policy, matches_glob
from xray_gate.registry.admission import Admissions, LedgerPort
from xray_gate.registry.refusal import refusal, status_text
from xray_gate.scan.work import VersionKey, VersionState

RESERVED_TAGS = "xray_gate."
PROMOTING_STAGES = ("Staging", "Production")
_GUARDED = (SqlModelVersion, SqlRegisteredModelAlias)
_TAGS = (SqlModelVersionTag, SqlRegisteredModelTag)


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


class SessionGuard:
    """Listens to the sessions of a registry store and refuses what no verdict admits."""

    def __init__(
        self, ledger: LedgerPort, admissions: Admissions, clock: Callable[[], float]
    ) -> None:
        self._ledger = ledger
        self._admissions = admissions
        self._clock = clock

    def watch(self, session: Session) -> None:
        """Look at everything that this session writes."""
        sqlalchemy.event.listen(session, "before_flush", self._before_flush)
        sqlalchemy.event.listen(session, "do_orm_execute", self._before_execute)

    def _before_execute(self, state: ORMExecuteState) -> None:
        # Bulk statements do not pass a flush. MLflow's store makes none on these tables today;
        # one that a later MLflow makes must fail loudly instead of slipping by.
        if (state.is_insert or state.is_update) and any(
            mapper.class_ in _GUARDED for mapper in state.all_mappers
        ):
            raise refusal("a bulk write to model versions or aliases is not checked, so refused")

    def _before_flush(self, session: Session, _context: Any, _instances: Any) -> None:
        connection = session.connection()
        changed = [row for row in session.dirty if session.is_modified(row)]
        for row in [*session.new, *changed]:
            if isinstance(row, SqlRegisteredModelAlias):
                self._check_alias(connection, row)
            elif isinstance(row, _TAGS):
                _check_tag(row)
        for row in [*session.new]:
            if isinstance(row, SqlModelVersion):
                self._register(connection, row)
        for row in changed:
            if isinstance(row, SqlModelVersion):
                self._check_version(connection, row)
        for row in [*session.deleted]:
            if isinstance(row, SqlModelVersion):
                self._ledger.close(connection, _key(row))

    def _register(self, connection: Connection, row: SqlModelVersion) -> None:
        if is_prompt(connection, row.workspace, row.name, row.source):
            return
        key, location = _key(row), row.storage_location or row.source
        try:
            policy = self._admissions.policy_for(row.name)
        except MlflowException as denied:
            # The name may be free for a policy later on: keep the version, but failed.
            row.status = "FAILED_REGISTRATION"
            row.status_message = status_text(denied.message.removeprefix("xray-gate: "))
            new = self._ledger.register(connection, key, location, self._clock())
            self._ledger.set_state(connection, new, VersionState.REFUSED, None)
            return
        self._admissions.remember(connection, self._clock())
        new = self._ledger.register(connection, key, location, self._clock())
        if not self._admit_copy(connection, row, new, policy):
            row.status = "PENDING_REGISTRATION"
            row.status_message = status_text("waiting for a scan.")

    def _admit_copy(
        self, connection: Connection, row: SqlModelVersion, new: int, policy: Policy
    ) -> bool:
        original = _copied_from(row)
        if original is None:
            return False
        admission = self._admissions.of(connection, original, row.storage_location, policy)
        if admission.decision is None or admission.evidence is None or admission.why_not:
            if policy.document.promotion.copies:
                raise refusal(f"{original} cannot be copied to {row.name!r}: {admission.why_not}")
            return False
        row.status = "READY"
        row.status_message = _ready_text(admission.decision)
        scan_id = admission.evidence.scan_id
        self._ledger.set_state(connection, new, VersionState.ADMITTED, scan_id)
        self._ledger.record_verdict(
            connection,
            new,
            admission.decision,
            (policy.name, policy.digest),
            scan_id,
            self._clock(),
        )
        return True

    def _check_version(self, connection: Connection, row: SqlModelVersion) -> None:
        attributes = sqlalchemy.inspect(row).attrs
        if attributes.current_stage.history.has_changes():
            if row.current_stage == STAGE_DELETED_INTERNAL:
                self._ledger.close(connection, _key(row))
            elif row.current_stage in PROMOTING_STAGES:
                self._check_stage(connection, row)
        renamed = attributes.name.history
        if renamed.has_changes() and renamed.deleted:
            self._check_rename(connection, row, old_name=renamed.deleted[0])

    def _check_stage(self, connection: Connection, row: SqlModelVersion) -> None:
        if is_prompt(connection, row.workspace, row.name, row.source):
            return
        policy = self._admissions.policy_for(row.name)
        if row.current_stage in policy.document.promotion.stages:
            self._demand(connection, _key(row), row, policy, f"moved to {row.current_stage}")

    def _check_alias(self, connection: Connection, row: SqlRegisteredModelAlias) -> None:
        key = VersionKey(row.workspace, row.name, int(row.version))
        version = _version_row(connection, key)
        if version is not None and is_prompt(connection, key.workspace, key.name, version.source):
            return
        policy = self._admissions.policy_for(row.name)
        if _is_free(policy, row.alias):
            return
        self._demand(connection, key, version, policy, f"given the alias {row.alias!r}")

    def _check_rename(self, connection: Connection, row: SqlModelVersion, old_name: str) -> None:
        if is_prompt(connection, row.workspace, old_name, row.source):
            return
        old = VersionKey(row.workspace, old_name, int(row.version))
        policy = self._admissions.policy_for(row.name)
        aliases = SqlRegisteredModelAlias.__table__
        held = connection.execute(
            select(aliases.c.alias).where(
                aliases.c.workspace == old.workspace,
                aliases.c.name == old_name,
                aliases.c.version == old.version,
            )
        ).scalars()
        # A new name brings the version under another policy: what stands there as admitted must
        # be admitted by that one, too.
        if (
            row.status == "READY"
            or row.current_stage in policy.document.promotion.stages
            or any(not _is_free(policy, alias) for alias in held)
        ):
            self._demand(connection, old, row, policy, f"renamed to {row.name!r}")
        self._ledger.rename(connection, old, row.name)

    def _demand(
        self, connection: Connection, key: VersionKey, version: Any, policy: Policy, what: str
    ) -> None:
        location = None if version is None else version.storage_location or version.source
        admission = self._admissions.of(connection, key, location, policy)
        if admission.why_not is not None:
            raise refusal(f"{key} cannot be {what}: {admission.why_not}")


def _ready_text(decision: Decision) -> str:
    return status_text(f"{decision.verdict} (copy of admitted files).")


def _is_free(policy: Policy, alias: str) -> bool:
    return any(matches_glob(alias, glob) for glob in policy.document.promotion.free_aliases)


def _key(row: SqlModelVersion) -> VersionKey:
    return VersionKey(row.workspace, row.name, int(row.version))


def _check_tag(row: SqlModelVersionTag | SqlRegisteredModelTag) -> None:
    if is_reserved_tag(row.key):
        raise refusal(
            f"tags that begin with {RESERVED_TAGS!r} are written by the gate only; "
            f"use another key than {row.key!r}"
        )


def _copied_from(row: SqlModelVersion) -> VersionKey | None:
    if not str(row.source).lower().startswith("models:"):
        return None
    parsed = _parse_model_uri(row.source)
    if parsed.name is None or parsed.version is None:
        return None
    return VersionKey(row.workspace, parsed.name, int(parsed.version))


def _version_row(connection: Connection, key: VersionKey) -> Any:
    table = SqlModelVersion.__table__
    return connection.execute(
        select(table).where(
            table.c.workspace == key.workspace,
            table.c.name == key.name,
            table.c.version == key.version,
        )
    ).first()
