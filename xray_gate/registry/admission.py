"""Who may be promoted: the ledger's evidence under the server's current policy."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from xray_gate.core.errors import XrayGateError
from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision, Enforcement, Place
from xray_gate.policy.document import PolicyDocument
from xray_gate.policy.exceptions import decide_now, excuse_for_age
from xray_gate.policy.files import Policy, PolicySet
from xray_gate.registry.comparison import Comparison, ScannedFiles
from xray_gate.registry.policy_choice import PolicyChoice
from xray_gate.registry.ports import LedgerPort
from xray_gate.scan.work import Proof, Registration, VersionKey, VersionState

BEFORE_THE_GATE = (
    "it was registered before the gate and never scanned; register it again, or have the platform "
    "team run `xray-gate adopt --queue`"
)
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

    `is_judged`: whatever the answer is, it is about bytes that are still those that were scanned.
    `is_recorded`: whether the ledger says so already, by the same exceptions.
    """

    why_not: str | None
    evidence: Evidence | None = None
    decision: Decision | None = None
    registration: Registration | None = None
    is_judged: bool = False
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
            return Admission(BEFORE_THE_GATE)
        if (left := _unjudged(registration, location)) is not None:
            return Admission(left)
        proof = self._ledger.proof_of(connection, registration)
        if proof is None:
            return Admission("there is no evidence for it; register it again")
        if proof.revocation is not None:
            return Admission(f"it was {proof.revocation}; register another one")
        judged = self._judged(policy, registration, proof.evidence, place)
        return replace(judged, is_recorded=_is_recorded(judged, proof))

    def _judged(
        self, policy: Policy, registration: Registration, evidence: Evidence, place: Place
    ) -> Admission:
        now = self._clock()
        document, decision = policy.document, decide_now(policy, evidence, now, place)
        is_enforced = decision.enforcement is Enforcement.ENFORCE
        if not is_enforced and not decision.excused_by:
            return Admission(None, evidence, decision, registration)
        other = self._may_be_other(registration, document, evidence.model.digest)
        if not is_enforced:
            # The mode here asks for no exception; those for promotions are for the scanned bytes.
            kept = decision if other is None else replace(decision, excused_by=())
            return Admission(None, evidence, kept, registration, other is None)
        why_not = None
        if not decision.admits:
            reasons = "; ".join(decision.reasons)
            why_not = (
                f"the verdict under policy {policy.name} is {decision.verdict}: {reasons}. See "
                f"`xray-gate status {registration.key.arguments}` and the report linked there"
            )
        elif other is None and (old := _too_old(evidence, document.max_age_days, now)) is not None:
            excuse = excuse_for_age(policy, evidence, now)
            why_not = old if excuse is None else None
            if excuse is not None:
                decision = replace(decision, excused_by=(*decision.excused_by, excuse))
        return Admission(why_not or other, evidence, decision, registration, other is None)

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


def _is_recorded(judged: Admission, proof: Proof) -> bool:
    """Whether what the ledger says last admits as much, by the same exceptions."""
    known, decision = judged.registration, judged.decision
    if known is None or decision is None or known.state is not VersionState.ADMITTED:
        return False
    is_enough = proof.promotes or not decision.promotes
    return is_enough and proof.excused_by == decision.excused_by


def _unjudged(registration: Registration, location: str | None) -> str | None:
    """Why there is no verdict on the files at `location`, or none that counts."""
    if registration.state is VersionState.WAITING:
        return unscanned(registration)
    if (left := gone(registration, location)) is not None:
        return left
    return unscanned(registration) if registration.state is VersionState.UNSCANNED else None


def unscanned(registration: Registration) -> str:
    """Why there is no verdict yet."""
    if registration.state is VersionState.UNSCANNED:
        return (
            "it was never scanned, as its policy asked for no scan when it was registered; have it "
            f"scanned: xray-gate rescan {registration.key.arguments}"
        )
    return "it waits for a scan; try again when its status is READY"


def gone(registration: Registration, location: str | None) -> str | None:
    """Why no verdict on it counts any more."""
    if registration.state is VersionState.DELETED:
        return "it was deleted; register it again"
    if location != registration.location:
        return "its files are not at the place that was scanned; register it again"
    return None


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
