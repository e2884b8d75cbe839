"""Whose files may be loaded: by the verdict as it was recorded."""

from collections.abc import Callable

from mlflow.exceptions import MlflowException
from sqlalchemy import Connection

from xray_gate.core.verdict import Enforcement, Excuse, Place, Verdict
from xray_gate.policy.document import PolicyDocument
from xray_gate.policy.exceptions import decide_now
from xray_gate.policy.files import Policy
from xray_gate.registry.admission import BEFORE_THE_GATE, Admissions, gone, unscanned
from xray_gate.registry.ports import LedgerPort
from xray_gate.registry.promotions import held_promotions
from xray_gate.registry.refusal import MESSAGE_START
from xray_gate.registry.rows import version_row
from xray_gate.scan.work import RecordedVerdict, Registration, VersionKey, VersionState


class Reads:
    """Asks the ledger, and today's policy for what no verdict made readable."""

    def __init__(
        self, ledger: LedgerPort, admissions: Admissions, clock: Callable[[], float]
    ) -> None:
        self._ledger = ledger
        self._admissions = admissions
        self._clock = clock

    def why_unreadable(
        self, connection: Connection, key: VersionKey, location: str | None
    ) -> str | None:
        """Why the version's files must not be loaded, or None when they may.

        A read rests on the verdict as it was recorded, so that a policy under work cannot stop
        what runs. What only a mode admitted is readable while the policy still has such a mode;
        what only exceptions admitted, until the first of them ends; what an operator promoted past
        its verdict, while it holds that promotion.
        """
        registration = self._ledger.current(connection, key)
        recorded = None
        if registration is not None:
            recorded = self._ledger.newest_verdict(connection, registration)
            if (left := gone(registration, location)) is not None:
                return left
            if registration.state is VersionState.REVOKED:
                return _revoked(recorded)
        if recorded is not None and _still_readable(recorded, self._clock()):
            return None
        try:
            policy = self._admissions.choice.of(connection, key)
            chosen_by_clients = self._admissions.choice.hangs_on_tags(key.name)
        except MlflowException as denied:
            return str(denied.message).removeprefix(f"{MESSAGE_START} ")
        if registration is None or recorded is None:
            if policy.document.unsafe_allow_unscanned_reads:
                return None
            return BEFORE_THE_GATE if registration is None else unscanned(registration)
        if self._may_be_read(
            connection, registration, recorded, policy, chosen_by_clients=chosen_by_clients
        ):
            return None
        return (
            f"the verdict is {recorded.verdict}: {'; '.join(recorded.reasons)}"
            f"{_expired(recorded.excused_by)}. Next: xray-gate status {key.arguments}"
        )

    def _may_be_read(
        self,
        connection: Connection,
        registration: Registration,
        recorded: RecordedVerdict,
        policy: Policy,
        *,
        chosen_by_clients: bool,
    ) -> bool:
        """Whether today's policy, or an operator, makes readable what its verdict does not."""
        is_admitted = registration.state is VersionState.ADMITTED
        # A mode makes readable what was looked at, and says what it found.
        if registration.scan_id is not None and _is_read_whatever_its_verdict(
            policy.document,
            # What exceptions admitted that have ended was admitted by nothing else.
            is_admitted=is_admitted and not recorded.excused_by,
            chosen_by_clients=chosen_by_clients,
        ):
            return True
        if is_admitted and self._is_admitted_today(connection, registration, recorded, policy):
            return True
        return self._was_let_through(connection, registration)

    def _is_admitted_today(
        self,
        connection: Connection,
        registration: Registration,
        recorded: RecordedVerdict,
        policy: Policy,
    ) -> bool:
        """Whether one of the policy's `unsafe_` rules, or exceptions of today, admit it."""
        proof = self._ledger.proof_of(connection, registration)
        if proof is None or proof.revocation is not None:
            return False
        decision = decide_now(policy, proof.evidence, self._clock())
        if recorded.verdict is Verdict.UNDECIDED and decision.unsafe_rule is not None:
            return True
        return bool(decision.excused_by)

    def _was_let_through(self, connection: Connection, registration: Registration) -> bool:
        """Whether a promotion stands that an operator let through, of these very bytes."""
        used = [
            one
            for one in self._ledger.break_glasses(connection, registration)
            if one.used_at is not None
        ]
        row = version_row(connection, registration.key) if used else None
        proof = self._ledger.proof_of(connection, registration) if row is not None else None
        if row is None or proof is None or proof.revocation is not None:
            return False
        held = held_promotions(connection, row)
        digest = proof.evidence.model.digest
        return any(one.promotion in held and one.digest == digest for one in used)


def _is_read_whatever_its_verdict(
    document: PolicyDocument, *, is_admitted: bool, chosen_by_clients: bool
) -> bool:
    if document.mode(Place.REGISTRATION) is not Enforcement.ENFORCE:
        # New tags alone must not make readable what was refused.
        return is_admitted or not chosen_by_clients
    return is_admitted and document.mode(Place.PROMOTION) is not Enforcement.ENFORCE


def _still_readable(recorded: RecordedVerdict, now: float) -> bool:
    if recorded.verdict is Verdict.PASSED:
        return True
    return bool(recorded.excused_by) and all(now < one.until for one in recorded.excused_by)


def _expired(excused_by: tuple[Excuse, ...]) -> str:
    if not excused_by:
        return ""
    names = ", ".join(f"{one.name} ({one.expires})" for one in excused_by)
    return f". It was admitted by exceptions of which one has expired: {names}"


def _revoked(recorded: RecordedVerdict | None) -> str:
    reasons = "withdrawn" if recorded is None else "; ".join(recorded.reasons)
    return f"it was {reasons}; register another one"
