"""What is asked of a version that is to be promoted, and what the ledger is told of the answer."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from xray_gate.core.verdict import Decision, Enforcement, Place, Verdict, excuses_text
from xray_gate.policy.files import Policy
from xray_gate.registry.admission import Admission, Admissions
from xray_gate.registry.journal import Journal
from xray_gate.registry.ports import LedgerPort
from xray_gate.registry.refusal import refusal, status_text
from xray_gate.registry.version_status import (
    VersionStatus,
    excuse_tags,
    mirror_tags,
    set_message,
    set_status,
)
from xray_gate.scan.work import Promotion, VersionKey, VersionState

_ALLOWED = "xray_gate_allowed"


class Demands:
    """Refuses what nothing admits; all in the caller's transaction, and in its journal."""

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

    def promotion(
        self,
        connection: Connection,
        key: VersionKey,
        version: Any,
        policy: Policy,
        what: str,
        promotion: Promotion,
    ) -> int | None:
        """Raise the refusal of a version that is not admitted to be `what`, as `moved to Staging`.

        The number of the break-glass by which an operator let it through in spite of that, or None.
        """
        admission = self._asked(connection, key, version, policy, Place.PROMOTION)
        if admission.why_not is None:
            self._note(connection, key, admission, policy, what)
            return None
        number = self._broken_glass(connection, key, admission, policy, promotion)
        if number is None:
            raise refusal(f"{key} cannot be {what}: {admission.why_not}")
        self.allow(connection, key, promotion)
        return number

    def admission(
        self,
        connection: Connection,
        key: VersionKey,
        version: Any,
        policy: Policy,
        what: str,
        place: Place,
    ) -> None:
        """Raise the refusal of a version that the mode at `place` does not admit to be `what`."""
        admission = self._asked(connection, key, version, policy, place)
        if admission.why_not is not None:
            raise refusal(f"{key} cannot be {what}: {admission.why_not}")
        self._note(connection, key, admission, policy, what)

    def _asked(
        self, connection: Connection, key: VersionKey, version: Any, policy: Policy, place: Place
    ) -> Admission:
        location = None if version is None else version.storage_location or version.source
        return self._admissions.of(connection, key, location, policy, place)

    def _note(
        self,
        connection: Connection,
        key: VersionKey,
        admission: Admission,
        policy: Policy,
        what: str,
    ) -> None:
        known, decision = admission.registration, admission.decision
        if known is None or decision is None:
            return
        if not admission.is_recorded:
            # Today's policy, or another exception, admits what an older one refused: the ledger
            # must say so, too, for the database's triggers and for people.
            self.admit(connection, key, known.id, admission, policy)
            if decision.excused_by:
                message = status_text(f"{decision.verdict}; {excuses_text(decision.excused_by)}.")
                set_status(connection, key, VersionStatus(True, message))
                mirror_tags(connection, key, excuse_tags(decision))
        if decision.enforcement is Enforcement.WARN:
            _warn(connection, key, what, decision)

    def admit(
        self,
        connection: Connection,
        key: VersionKey,
        registration_id: int,
        admission: Admission,
        policy: Policy,
    ) -> None:
        """Record an admission that rests on evidence which is there."""
        evidence, decision = admission.evidence, admission.decision
        assert evidence is not None
        assert decision is not None
        self._ledger.set_state(connection, registration_id, VersionState.ADMITTED, evidence.scan_id)
        named = (policy.name, policy.digest)
        verdict = self._ledger.record_verdict(
            connection, registration_id, decision, named, evidence.scan_id, self._clock()
        )
        details = {"scan_id": evidence.scan_id, "digest": evidence.model.digest}
        self._journal.verdict(key, verdict, decision, named, details)
        self._journal.exceptions_used(key, decision, policy, evidence.model.digest)

    def allow(self, connection: Connection, key: VersionKey, promotion: Promotion) -> None:
        """Let the database's triggers pass what needs no admission, until `end_allowances`."""
        connection.info[_ALLOWED] = True
        # So that `xray-gate doctor` knows the policy that let it through.
        self.remember_policies(connection)
        self._ledger.allow_for_now(connection, key, promotion)

    def remember_policies(self, connection: Connection) -> None:
        """Write the server's policies down, where they have changed."""
        if (changed := self._admissions.remember(connection, self._clock())) is not None:
            self._journal.policy_changed(changed)

    def end_allowances(self, connection: Connection) -> None:
        """Nothing is allowed any more."""
        if connection.info.pop(_ALLOWED, False):
            self._ledger.end_allowances(connection)

    def _broken_glass(
        self,
        connection: Connection,
        key: VersionKey,
        admission: Admission,
        policy: Policy,
        promotion: Promotion,
    ) -> int | None:
        """Use up what lets this promotion of these bytes through; its number, or None."""
        allowed = policy.document.break_glass
        known, evidence = admission.registration, admission.evidence
        if allowed is None or not admission.is_judged or known is None or evidence is None:
            return None
        digest, most_seconds = evidence.model.digest, 60.0 * allowed.minutes
        number = self._ledger.use_break_glass(
            connection, known, digest, promotion, self._clock(), most_seconds
        )
        if number is not None:
            details = {"number": number, "digest": digest, promotion.kind: promotion.value}
            self._journal.break_glass(key, "used", details, policy)
        return number


def _warn(connection: Connection, key: VersionKey, what: str, decision: Decision) -> None:
    if decision.verdict is not Verdict.PASSED:
        reasons = "; ".join(decision.reasons)
        text = f"{what} although its verdict is {decision.verdict} [warn]. {reasons}."
        set_message(connection, key, status_text(text, f"Next: xray-gate status {key.arguments}"))
