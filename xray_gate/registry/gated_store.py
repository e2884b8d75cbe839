"""MLflow's SQL registry store with a gate in it.

Writes are checked by `session_guard`; here are the reads that lead to a model's files, and the
short wait that lets a quick verdict arrive with the answer to the registration itself.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.entities.model_registry.model_version_stages import (
    ALL_STAGES,
    STAGE_DELETED_INTERNAL,
    get_canonical_stage,
)
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.utils.validation import _validate_model_version
from sqlalchemy.orm import Session

from xray_gate.core.audit_line import Via, Who
from xray_gate.policy.files import PolicySet
from xray_gate.registry.admission import Admissions
from xray_gate.registry.comparison import Comparison, ScannedFiles
from xray_gate.registry.journal import Journal
from xray_gate.registry.ports import LedgerPort
from xray_gate.registry.promotions import PROMOTING_STAGES
from xray_gate.registry.reads import Reads
from xray_gate.registry.refusal import MESSAGE_START, refusal, status_text
from xray_gate.registry.refused_promotions import RefusedPromotions
from xray_gate.registry.rows import copied_version, is_prompt, is_reserved_tag, key_of
from xray_gate.registry.session_guard import SessionGuard
from xray_gate.scan.work import RUNNER_SILENT_AFTER, ArtifactFetcher, VersionKey

_POLL_SECONDS = 0.1
_JOURNAL = "xray_gate_journal"
# MLflow looks the source of a copy up through the store's own guarded read. The guard decides on
# the copy itself, with a better message, so that one look-up is let through.
_copying: ContextVar[bool] = ContextVar("xray_gate_copying", default=False)


@dataclass(frozen=True)
class GateParts:
    """What a gated store is made of.

    `fetch` reads files for policies with `same_bytes: verify`; without it, these promote nothing
    that was not kept. `wait_seconds` bounds the wait inside a registration. `user` names who makes
    the request at hand, where somebody has made sure of it.
    """

    ledger: LedgerPort
    policies: Callable[[], PolicySet]
    fetch: ArtifactFetcher | None = None
    clock: Callable[[], float] = time.time
    wait_seconds: float = 2.0
    user: Callable[[], str | None] = lambda: None


class _Gate(SqlAlchemyStore):  # type: ignore[misc]
    ManagedSessionMaker: Any

    def __init__(self, db_uri: str, parts: GateParts) -> None:
        super().__init__(db_uri)
        self._ledger = parts.ledger
        self._clock = parts.clock
        self._wait_seconds = parts.wait_seconds
        self._comparison = Comparison(parts.fetch)
        self._admissions = Admissions(parts.ledger, parts.policies, parts.clock, self._comparison)
        self._reads = Reads(parts.ledger, self._admissions, parts.clock)
        self._user = parts.user
        self._make_session: Any = self.ManagedSessionMaker
        self._refused = RefusedPromotions(self._make_session, parts.ledger, parts.clock)
        self.ManagedSessionMaker = self._watched_session
        with self.ManagedSessionMaker(read_only=False) as session:
            self._remember(session)

    @contextmanager
    def _watched_session(self, read_only: bool = True) -> Iterator[Session]:
        journal = Journal(lambda: Who(Via.SERVER, self._user()))
        guard = SessionGuard(self._ledger, self._admissions, self._clock, journal)
        try:
            with self._make_session(read_only=read_only) as session:
                guard.watch(session)
                session.info[_JOURNAL] = journal
                yield session
        except Exception:
            if journal.refused is not None:
                self._refused.write(journal.refused)
            raise

    def _remember(self, session: Session) -> None:
        changed = self._admissions.remember(session.connection(), self._clock())
        if changed is not None:
            session.info[_JOURNAL].policy_changed(changed)

    def create_model_version(self, name: str, source: str, *args: Any, **kwargs: Any) -> Any:
        """Register a version: waiting for its verdict from the first instant."""
        if str(source).lower().startswith("models:") and kwargs.get("tags"):
            # MLflow's copy carries all tags over; the gate's own belong to the original.
            kwargs["tags"] = [tag for tag in kwargs["tags"] if not is_reserved_tag(tag.key)]
        original = copied_version(source)
        token = _copying.set(True)
        try:
            with self._compared(name, *([] if original is None else [original])):
                created = super().create_model_version(name, source, *args, **kwargs)
        finally:
            _copying.reset(token)
        return self._after_a_moment(created)

    @contextmanager
    def _compared(self, target: str, *versions: tuple[str, Any]) -> Iterator[None]:
        """Compare the files of versions that are to be promoted to the name `target`."""
        wanted: dict[VersionKey, ScannedFiles] = {}
        if versions and self._admissions.compares(target):
            with self.ManagedSessionMaker(read_only=False) as session:
                for name, version in versions:
                    key = key_of(self._get_sql_model_version(session, name, version))
                    found = self._admissions.to_compare(session.connection(), key)
                    if found is not None:
                        wanted[key] = found
        with self._comparison.of(wanted):
            yield

    def set_registered_model_alias(self, name: str, alias: str, version: Any) -> Any:
        """As MLflow's, for a version that is admitted."""
        with self._compared(name, (name, version)):
            return super().set_registered_model_alias(name, alias, version)

    def copy_model_version(self, src_mv: Any, dst_name: str) -> Any:
        """As MLflow's, which would wrap a refusal into words about something else."""
        try:
            return super().copy_model_version(src_mv, dst_name)
        except MlflowException as error:
            cause = error.__cause__ or error.__context__
            if isinstance(cause, MlflowException) and cause.message.startswith(MESSAGE_START):
                raise cause from None
            raise

    def rename_registered_model(self, name: str, new_name: str) -> Any:
        """As MLflow's, where the new name's policy admits what stands there as admitted."""
        with self._compared(new_name, *self._ready_versions(name, new_name)):
            return super().rename_registered_model(name, new_name)

    def _ready_versions(self, name: str, new_name: str) -> list[tuple[str, int]]:
        if not self._admissions.compares(new_name):
            return []
        with self.ManagedSessionMaker(read_only=False) as session:
            of_name = self._get_query(session, SqlModelVersion).filter(
                SqlModelVersion.name == name,
                SqlModelVersion.status == "READY",
                SqlModelVersion.current_stage != STAGE_DELETED_INTERNAL,
            )
            return [(row.name, row.version) for row in of_name]

    def _after_a_moment(self, created: ModelVersion) -> ModelVersion:
        deadline = time.monotonic() + self._wait_seconds
        current = created
        while current.status == "PENDING_REGISTRATION" and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            current = super().get_model_version(created.name, created.version)
        return self._with_notice(current)

    def get_model_version(self, name: str, version: Any) -> Any:
        """As MLflow's, and says when nobody is there to scan a waiting version."""
        return self._with_notice(super().get_model_version(name, version))

    def _with_notice(self, version: ModelVersion) -> ModelVersion:
        if version.status != "PENDING_REGISTRATION":
            return version
        with self.ManagedSessionMaker(read_only=False) as session:
            seen = self._ledger.last_runner(session.connection())
            # Whoever waits lets the runner know of a policy that has changed since.
            self._remember(session)
        silence = None if seen is None else self._clock() - seen
        if silence is None or silence > RUNNER_SILENT_AFTER:
            ago = "yet" if silence is None else f"for {silence / 60:.0f} min"
            version._status_message = status_text(
                f"waiting for a scan, but no runner has been seen {ago}.",
                "Ask the platform team to start `xray-gate runner`.",
            )
        return version

    def get_model_version_download_uri(self, name: str, version: Any) -> Any:
        """Where the files are; refused for a version without an admitting verdict."""
        # Not a read replica: it may not have heard of a verdict yet.
        with self.ManagedSessionMaker(read_only=False) as session:
            row = self._get_sql_model_version(session, name, version)
            why_not = None if _copying.get() else self._why_unreadable(session, row)
            if why_not is not None:
                raise refusal(f"{name}/{version} cannot be read: {why_not}")
            # From the row that was checked: by another look it could be another version.
            return row.storage_location or row.source

    def _why_unreadable(self, session: Session, row: SqlModelVersion) -> str | None:
        connection = session.connection()
        if is_prompt(connection, row.workspace, row.name, row.source):
            return None
        key = VersionKey(row.workspace, row.name, int(row.version))
        return self._reads.why_unreadable(connection, key, row.storage_location or row.source)

    def get_latest_versions(self, name: str, stages: Any = None) -> Any:
        """The newest readable version of each stage, so that `latest` is one that was admitted."""
        wanted = {get_canonical_stage(stage) for stage in stages or ALL_STAGES}
        newest: dict[str, Any] = {}
        with self.ManagedSessionMaker(read_only=False) as session:
            self._get_registered_model(session, name)
            rows = (
                self._get_query(session, SqlModelVersion)
                .filter(SqlModelVersion.name == name, SqlModelVersion.current_stage.in_(wanted))
                .order_by(SqlModelVersion.version.desc())
            )
            for row in rows:
                stage = row.current_stage
                if stage not in newest and self._why_unreadable(session, row) is None:
                    newest[stage] = self._populate_model_version_aliases(
                        session, name, row.to_mlflow_entity()
                    )
                if len(newest) == len(wanted):
                    break
            return list(newest.values())

    def transition_model_version_stage(
        self, name: str, version: Any, stage: str, archive_existing_versions: bool
    ) -> Any:
        """As MLflow's, which hands PostgreSQL the version as text: psycopg 3 refuses that."""
        number = _validate_model_version(version)
        promoted = [(name, number)] if get_canonical_stage(stage) in PROMOTING_STAGES else []
        with self._compared(name, *promoted):
            return super().transition_model_version_stage(
                name, number, stage, archive_existing_versions
            )

    def delete_model_version_tag(self, name: str, version: Any, key: str) -> Any:
        """As MLflow's, but the gate's own tags stay."""
        _keep_reserved(key)
        return super().delete_model_version_tag(name, version, key)

    def delete_registered_model_tag(self, name: str, key: str) -> Any:
        """As MLflow's, but the gate's own tags stay."""
        _keep_reserved(key)
        return super().delete_registered_model_tag(name, key)


def _keep_reserved(key: str) -> None:
    if is_reserved_tag(key):
        raise refusal(f"the tag {key!r} is the gate's own and cannot be deleted by a client")


class GatedStore(_Gate):
    """The gate for a server without workspaces."""


class WorkspaceGatedStore(_Gate, WorkspaceAwareSqlAlchemyStore):  # type: ignore[misc]
    """The gate for a server with MLflow's workspaces."""
