"""Who may be promoted: the ledger's evidence under the server's current policy."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mlflow.exceptions import MlflowException
from sqlalchemy import Connection

from xray_gate.core.errors import XrayGateError
from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision, Enforcement, Place, Verdict
from xray_gate.policy.decision import decide
from xray_gate.policy.document import PolicyDocument
from xray_gate.policy.files import Policy, PolicySet
from xray_gate.registry.comparison import Comparison, ScannedFiles
from xray_gate.registry.policy_choice import PolicyChoice
from xray_gate.registry.ports import LedgerPort
from xray_gate.registry.refusal import MESSAGE_START
from xray_gate.scan.work import RecordedVerdict, Registration, VersionKey, VersionState

_BEFORE_THE_GATE = "it was registered before the gate and never scanned; register it again"
_NOT_KEPT = (
    "its bytes were not kept when it was scanned, as the policy wants it today (`same_bytes`), so "
    "they may have changed; register it again"
)
_DAY = 86_400.0
# Runners and servers may tell the time differently, in days.
_CLOCKS_APART = 0.01
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Admission:
    """An answer to 'may this version be promoted?'; `why_not` is None for yes.

    `is_recorded`: whether the ledger says so already.
    """

    why_not: str | None
    evidence: Evidence | None = None
    decision: Decision | None = None
    registration: Registration | None = None
    is_recorded: bool = False


class Admissions:
    """Asks ledger and policy. Every error, whatever it is, is a no."""

    def __init__(
        self,
        ledger: LedgerPort,
        policies: Callable[[], PolicySet],
        clock: Callable[[], float],
        comparison: Comparison,
    ) -> None:
        self._ledger = ledger
        self._policies = policies
        self.choice = PolicyChoice(ledger, policies)
        self._clock = clock
        self._comparison = comparison

    def remember(self, connection: Connection, now: float) -> PolicySet | None:
        """Write the policies down for the runners; them, where they had changed, else None.

        Broken ones are left for others to refuse.
        """
        try:
            policies = self._policies()
            changed = self._ledger.remember_policies(connection, policies, now)
        except XrayGateError:
            _logger.exception("the gate's policies cannot be used")
            return None
        return policies if changed else None

    def of(
        self,
        connection: Connection,
        key: VersionKey,
        location: str | None,
        policy: Policy,
        place: Place = Place.PROMOTION,
    ) -> Admission:
        """Whether the version's bytes are admitted under `policy`, by its mode at `place`.

        Locks the registration, so that the answer still holds when the caller commits.
        """
        registration = self._ledger.current(connection, key, lock=True)
        if registration is None:
            return Admission(_BEFORE_THE_GATE)
        if (unjudged := _unjudged(registration, location)) is not None:
            return Admission(unjudged)
        proof = self._ledger.proof_of(connection, registration)
        if proof is None:
            return Admission("there is no evidence for it; register it again")
        if proof.revocation is not None:
            return Admission(f"it was {proof.revocation}; register another one")
        evidence = proof.evidence
        document, decision = policy.document, decide(policy, evidence, place)
        if not decision.admits:
            reasons = "; ".join(decision.reasons)
            return Admission(
                f"the verdict under policy {policy.name} is {decision.verdict}: {reasons}. "
                f"See `xray-gate status {key.arguments}` and the report linked there",
                evidence,
                decision,
            )
        if decision.enforcement is Enforcement.ENFORCE:
            if (
                other := self._may_be_other(registration, document, evidence.model.digest)
            ) is not None:
                return Admission(other, evidence, decision)
            if (old := _too_old(evidence, document.max_age_days, self._clock())) is not None:
                return Admission(old, evidence, decision)
        known = registration.state is VersionState.ADMITTED and (
            proof.promotes or not decision.promotes
        )
        return Admission(None, evidence, decision, registration, known)

    def _may_be_other(
        self, registration: Registration, document: PolicyDocument, digest: str
    ) -> str | None:
        """Why the files may not be those that were scanned, or None where they are."""
        if registration.kept:
            return None
        if document.same_bytes == "snapshot":
            return _NOT_KEPT
        return self._comparison.why_not(registration.key, registration.location, digest)

    def compares(self, target: str) -> bool:
        """Whether a policy that may be the name's wants files compared before a promotion."""
        documents = [policy.document for policy in self.choice.of_name(target)]
        return any(
            document.same_bytes == "verify"
            and Enforcement.ENFORCE
            in (document.mode(Place.PROMOTION), document.mode(Place.REGISTRATION))
            for document in documents
        )

    def to_compare(self, connection: Connection, key: VersionKey) -> ScannedFiles | None:
        """What must be compared before the version may be promoted, if anything must."""
        registration = self._ledger.current(connection, key)
        if registration is None or registration.kept:
            return None
        proof = self._ledger.proof_of(connection, registration)
        return None if proof is None else ScannedFiles(registration.location, proof.evidence.model)

    def why_unreadable(
        self, connection: Connection, key: VersionKey, location: str | None
    ) -> str | None:
        """Why the version's files must not be loaded, or None when they may.

        A read rests on the verdict as it was recorded, so that a policy under work cannot stop
        what runs. What only a mode admitted is readable while the policy still has such a mode.
        """
        registration = self._ledger.current(connection, key)
        recorded = None
        if registration is not None:
            recorded = self._ledger.newest_verdict(connection, registration)
            if (gone := _gone(registration, location)) is not None:
                return gone
            if registration.state is VersionState.REVOKED:
                return _revoked(recorded)
        if recorded is not None and recorded.verdict is Verdict.PASSED:
            return None
        try:
            policy = self.choice.of(connection, key)
            chosen_by_clients = self.choice.hangs_on_tags(key.name)
        except MlflowException as denied:
            return str(denied.message).removeprefix(f"{MESSAGE_START} ")
        document = policy.document
        if recorded is not None and registration is not None:
            if _is_read_whatever_its_verdict(
                document, registration, chosen_by_clients
            ) or self._is_admitted_by_rule(connection, policy, registration, recorded):
                return None
            return (
                f"the verdict is {recorded.verdict}: {'; '.join(recorded.reasons)}. "
                f"Next: xray-gate status {key.arguments}"
            )
        if document.unsafe_allow_unscanned_reads:
            return None
        return _BEFORE_THE_GATE if registration is None else _unscanned(registration)

    def _is_admitted_by_rule(
        self,
        connection: Connection,
        policy: Policy,
        registration: Registration,
        recorded: RecordedVerdict,
    ) -> bool:
        """Whether one of the policy's `unsafe_` rules admits what is undecided."""
        is_admitted = registration.state is VersionState.ADMITTED
        if not is_admitted or recorded.verdict is not Verdict.UNDECIDED:
            return False
        evidence = self._ledger.evidence_of(connection, registration)
        return evidence is not None and decide(policy, evidence).unsafe_rule is not None


def _is_read_whatever_its_verdict(
    document: PolicyDocument, registration: Registration, chosen_by_clients: bool
) -> bool:
    is_admitted = registration.state is VersionState.ADMITTED
    if document.mode(Place.REGISTRATION) is not Enforcement.ENFORCE:
        # New tags alone must not make readable what was refused.
        return is_admitted or not chosen_by_clients
    return is_admitted and document.mode(Place.PROMOTION) is not Enforcement.ENFORCE


def _unjudged(registration: Registration, location: str | None) -> str | None:
    """Why there is no verdict on the files at `location`, or none that counts."""
    if registration.state is VersionState.WAITING:
        return _unscanned(registration)
    if (gone := _gone(registration, location)) is not None:
        return gone
    return _unscanned(registration) if registration.state is VersionState.UNSCANNED else None


def _unscanned(registration: Registration) -> str:
    if registration.state is VersionState.UNSCANNED:
        return (
            "it was never scanned, as its policy asked for no scan when it was registered; have it "
            f"scanned: xray-gate rescan {registration.key.arguments}"
        )
    return "it waits for a scan; try again when its status is READY"


def _gone(registration: Registration, location: str | None) -> str | None:
    """Why no verdict on it counts any more."""
    if registration.state is VersionState.DELETED:
        return "it was deleted; register it again"
    if location != registration.location:
        return "its files are not at the place that was scanned; register it again"
    return None


def _revoked(recorded: RecordedVerdict | None) -> str:
    reasons = "withdrawn" if recorded is None else "; ".join(recorded.reasons)
    return f"it was {reasons}; register another one"


def _too_old(evidence: Evidence, most_days: float | None, now: float) -> str | None:
    """Why a scan is not believed any more; one of the future is not, either."""
    if most_days is None:
        return None
    scanned = datetime.fromisoformat(evidence.finished_at)
    days = (now - scanned.timestamp()) / _DAY
    if -_CLOCKS_APART <= days <= most_days:
        return None
    return (
        f"it was scanned on {scanned:%Y-%m-%d}, and the policy believes a scan for {most_days:g} "
        "days; register it again"
    )
