"""The choke point: every write of MLflow's registry store is looked at before it reaches SQL.

MLflow's store writes through SQLAlchemy sessions. Looking at what a session is about to flush,
instead of overriding one method after another, sees every route to a promotion, in the very
transaction that makes it, and also those that a later MLflow adds.
"""

from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy
from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModel,
    SqlRegisteredModelAlias,
    SqlRegisteredModelTag,
)
from sqlalchemy import Connection, select
from sqlalchemy.orm import ORMExecuteState, Session

from xray_gate.core.verdict import (
    NO_POLICY,
    Decision,
    Enforcement,
    Place,
    excuses_text,
    undecided,
)
from xray_gate.policy.files import Policy
from xray_gate.registry.admission import Admission, Admissions
from xray_gate.registry.demands import Demands
from xray_gate.registry.journal import Journal
from xray_gate.registry.own_tags import check_tag, mirror_on
from xray_gate.registry.ports import LedgerPort
from xray_gate.registry.promotions import (
    PROMOTING_STAGES,
    copies_promote,
    held_promotions,
    is_free,
)
from xray_gate.registry.refusal import MESSAGE_START, refusal, status_text
from xray_gate.registry.rows import (
    changed_from,
    copied_from,
    is_prompt,
    key_of,
    lock_model,
    renamed_model,
    version_row,
)
from xray_gate.scan.work import Promotion, VersionKey, VersionState

_GUARDED = (SqlModelVersion, SqlRegisteredModel, SqlRegisteredModelAlias)
_FIXED = ("status", "source", "storage_location")
_TAGS = (SqlModelVersionTag, SqlRegisteredModelTag)


class SessionGuard:
    """Listens to one session of a registry store and refuses what no verdict admits.

    `journal` gathers what the session does; it is appended to the audit log when it commits.
    """

    def __init__(
        self,
        ledger: LedgerPort,
        admissions: Admissions,
        clock: Callable[[], float],
        journal: Journal,
    ) -> None:
        self._ledger = ledger
        self._admissions = admissions
        self._clock = clock
        self._journal = journal
        self._demands = Demands(ledger, admissions, clock, journal)

    def watch(self, session: Session) -> None:
        """Look at everything that this session writes."""
        sqlalchemy.event.listen(session, "before_flush", self._before_flush)
        sqlalchemy.event.listen(session, "after_flush", self._after_flush)
        sqlalchemy.event.listen(session, "do_orm_execute", self._before_execute)
        sqlalchemy.event.listen(session, "before_commit", self._before_commit)
        sqlalchemy.event.listen(session, "after_soft_rollback", self._after_rollback)

    def _before_commit(self, session: Session) -> None:
        # What is still to be flushed takes locks, which must come before that of the log.
        session.flush()
        if notes := self._journal.take():
            self._ledger.append_log(session.connection(), notes, self._clock())

    def _after_rollback(self, _session: Session, _transaction: Any) -> None:
        # MLflow tries a registration again in the same session.
        self._journal.take()

    def _before_execute(self, state: ORMExecuteState) -> None:
        # Bulk statements do not pass a flush. MLflow's store makes none on these tables today;
        # one that a later MLflow makes must fail loudly instead of slipping by.
        if (state.is_insert or state.is_update or state.is_delete) and any(
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
                check_tag(row)
        for row in _versions(session.new):
            self._register(connection, row)
        self._check_changes(connection, changed)
        for row in _versions(session.deleted):
            self._close(connection, key_of(row))

    def _after_flush(self, session: Session, _context: Any) -> None:
        self._demands.end_allowances(session.connection())

    def _close(self, connection: Connection, key: VersionKey) -> None:
        # What the gate never knew, a prompt for example, changes nothing that stands.
        if self._ledger.close(connection, key):
            self._journal.deleted(key)

    def _check_changes(self, connection: Connection, changed: list[Any]) -> None:
        renamed = {key for row in changed if (key := renamed_model(row)) is not None}
        for row in _versions(changed):
            self._check_version(connection, row, renamed)
        for row in changed:
            if renamed_model(row) is not None:
                self._check_rename(connection, row)

    def _register(self, connection: Connection, row: SqlModelVersion) -> None:
        if is_prompt(connection, row.workspace, row.name, row.source):
            return
        key, location = key_of(row), row.storage_location or row.source
        if not lock_model(connection, row.workspace, row.name):
            raise refusal(f"{row.name!r} has just been renamed or deleted; register once more")
        try:
            policy = self._admissions.choice.at_registration(connection, row.workspace, row.name)
        except MlflowException as denied:
            # The name may be free for a policy later on: keep the version, but failed.
            row.status = "FAILED_REGISTRATION"
            reason = denied.message.removeprefix(f"{MESSAGE_START} ")
            row.status_message = status_text(reason)
            self._refuse(connection, key, location, reason)
            return
        self._demands.remember_policies(connection)
        new = self._ledger.register(connection, key, location, self._clock())
        self._journal.registered(key, policy, {"registration": new, "location": location})
        if self._admit_copy(connection, row, new):
            return
        if policy is not None and policy.document.mode(Place.REGISTRATION) is Enforcement.OFF:
            self._ledger.set_state(connection, new, VersionState.UNSCANNED, None)
            row.status = "READY"
            row.status_message = status_text("not scanned: the policy asks for no scan.")
            return
        row.status = "PENDING_REGISTRATION"
        row.status_message = status_text("waiting for a scan.")

    def _refuse(self, connection: Connection, key: VersionKey, location: str, reason: str) -> None:
        new = self._ledger.register(connection, key, location, self._clock())
        self._journal.registered(key, None, {"registration": new, "location": location})
        self._ledger.set_state(connection, new, VersionState.REFUSED, None)
        decision = undecided(reason)
        verdict = self._ledger.record_verdict(
            connection, new, decision, NO_POLICY, None, self._clock()
        )
        self._journal.verdict(key, verdict, decision, NO_POLICY, {})

    def _admit_copy(self, connection: Connection, row: SqlModelVersion, new: int) -> bool:
        original = copied_from(row)
        if original is None:
            return False
        policy = self._admissions.choice.of(connection, original, row.name)
        # A withdrawal must see the copy, or the copy the withdrawal.
        self._ledger.lock_revocations(connection)
        admission = self._admissions.of(connection, original, row.storage_location, policy)
        is_promotion, asked = copies_promote(policy, row.name), {"copy_of": str(original)}
        if admission.decision is None or admission.evidence is None or admission.why_not:
            if is_promotion:
                with self._journal.asked(key_of(row), asked):
                    raise refusal(
                        f"{original} cannot be copied to {row.name!r}: {admission.why_not}"
                    )
            return False
        admission = self._ready(connection, original, row.storage_location, policy, admission)
        if admission.decision is None or admission.evidence is None or admission.why_not:
            # A copy is a promotion and a registration: this one has a verdict of its own.
            if is_promotion:
                self._journal.granted(key_of(row), asked, policy)
            return False
        row.status = "READY"
        row.status_message = _ready_text(admission.decision)
        mirror_on(row, admission.decision, policy, admission.evidence)
        self._demands.admit(connection, key_of(row), new, admission, policy)
        if is_promotion:
            self._journal.granted(key_of(row), asked, policy)
        scanned = admission.registration
        if scanned is not None and scanned.kept:
            self._ledger.keep(connection, new, row.storage_location)
        return True

    def _ready(
        self,
        connection: Connection,
        key: VersionKey,
        location: str | None,
        policy: Policy,
        promoted: Admission,
    ) -> Admission:
        """What a promotion admits, asked as a registration, too, where the modes there differ.

        The answer is the one to be recorded: the one that says no, else the one that rests on
        exceptions.
        """
        document = policy.document
        if document.mode(Place.REGISTRATION) is document.mode(Place.PROMOTION):
            return promoted
        place = Place.REGISTRATION
        registered = self._admissions.of(connection, key, location, policy, place)
        if registered.why_not is not None:
            return registered
        # A promotion may rest on more of them: on one for the age, too.
        is_wanted = _is_excused(registered) and not _is_excused(promoted)
        return registered if is_wanted else promoted

    def _check_version(
        self, connection: Connection, row: SqlModelVersion, renamed: set[tuple[str, str]]
    ) -> None:
        attributes = sqlalchemy.inspect(row).attrs
        deleted = row.current_stage == STAGE_DELETED_INTERNAL
        if not deleted and any(attributes[name].history.has_changes() for name in _FIXED):
            raise refusal(f"{key_of(row)}: status and place of a version are the gate's to set")
        if attributes.current_stage.history.has_changes():
            if deleted:
                self._close(connection, key_of(row))
            elif row.current_stage in PROMOTING_STAGES:
                self._check_stage(connection, row)
        old_name = changed_from(row)
        if old_name is not None and (row.workspace, old_name) not in renamed:
            raise refusal(f"a version cannot be moved from {old_name!r} to {row.name!r}; copy it")

    def _check_stage(self, connection: Connection, row: SqlModelVersion) -> None:
        if is_prompt(connection, row.workspace, row.name, row.source):
            return
        promotion = Promotion("stage", row.current_stage)
        self._promote(connection, key_of(row), row, promotion, f"moved to {row.current_stage}")

    def _check_alias(self, connection: Connection, row: SqlRegisteredModelAlias) -> None:
        key = VersionKey(row.workspace, row.name, int(row.version))
        version = version_row(connection, key)
        if version is not None and is_prompt(connection, key.workspace, key.name, version.source):
            return
        promotion = Promotion("alias", row.alias)
        self._promote(connection, key, version, promotion, f"given the alias {row.alias!r}")

    def _promote(
        self, connection: Connection, key: VersionKey, version: Any, promotion: Promotion, what: str
    ) -> None:
        asked: dict[str, Any] = {promotion.kind: promotion.value}
        with self._journal.asked(key, asked):
            policy = self._admissions.choice.of(connection, key)
            if is_free(policy, promotion):
                self._demands.allow(connection, key, promotion)
                asked["free"] = True
            else:
                number = self._demands.promotion(connection, key, version, policy, what, promotion)
                if number is not None:
                    asked["break_glass"] = number
        self._journal.granted(key, asked, policy)

    def _check_rename(self, connection: Connection, model: SqlRegisteredModel) -> None:
        # The versions are read here: the database itself cascades the new name to them, so they
        # never show as changed.
        lock_model(connection, model.workspace, str(changed_from(model)))
        table = SqlModelVersion.__table__
        of_model = (table.c.workspace == model.workspace, table.c.name == changed_from(model))
        for version in connection.execute(select(table).where(*of_model)).all():
            if is_prompt(connection, version.workspace, version.name, version.source):
                continue
            if version.current_stage != STAGE_DELETED_INTERNAL:
                with self._journal.asked(key_of(version), {"rename": model.name}):
                    self._check_new_name(connection, version, model.name)
                self._journal.renamed(key_of(version), model.name)
            self._ledger.rename(connection, key_of(version), model.name)

    def _check_new_name(self, connection: Connection, version: Any, new_name: str) -> None:
        key = key_of(version)
        policy = self._admissions.choice.of(connection, key, new_name, with_tags_of=key.name)
        held = held_promotions(connection, version)
        # A new name brings the version under another policy: what stands there as admitted must
        # be admitted by that one, too.
        what, places = f"renamed to {new_name!r}", set[Place]()
        if not all(is_free(policy, promotion) for promotion in held):
            places.add(Place.PROMOTION)
        if version.status == "READY" and _asks(policy, Place.REGISTRATION):
            places.add(Place.REGISTRATION)
        # Where the modes are the same, so is the answer.
        for place in {policy.document.mode(place): place for place in sorted(places)}.values():
            self._demands.admission(connection, key, version, policy, what, place)
        renamed = VersionKey(version.workspace, new_name, version.version)
        for promotion in held:
            if is_free(policy, promotion):
                self._demands.allow(connection, renamed, promotion)


def _is_excused(admission: Admission) -> bool:
    return admission.decision is not None and bool(admission.decision.excused_by)


def _asks(policy: Policy, place: Place) -> bool:
    return policy.document.mode(place) is not Enforcement.OFF


def _versions(rows: Iterable[Any]) -> list[SqlModelVersion]:
    # A list: what is written on the way may change the session's own collections.
    return [row for row in rows if isinstance(row, SqlModelVersion)]


def _ready_text(decision: Decision) -> str:
    excuses = f"; {excuses_text(decision.excused_by)}" if decision.excused_by else ""
    return status_text(f"{decision.verdict} (copy of admitted files){excuses}.")
