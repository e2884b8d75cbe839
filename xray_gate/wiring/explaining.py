"""A version's verdict with all that it rests on, as the registry's database has it."""

import time
from dataclasses import dataclass

from mlflow.exceptions import MlflowException
from sqlalchemy import Connection

from xray_gate.core.errors import InputError
from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision, Enforcement, Place
from xray_gate.ledger.ledger import Ledger
from xray_gate.ledger.past_policies import policy_of
from xray_gate.ledger.records import VerdictRow
from xray_gate.policy.decision import decide
from xray_gate.policy.exceptions import excused
from xray_gate.policy.files import Policy, PolicySet
from xray_gate.policy.replay import judged
from xray_gate.registry.admission import Admissions
from xray_gate.registry.comparison import Comparison
from xray_gate.registry.refusal import MESSAGE_START
from xray_gate.registry.rows import model_tags, version_row
from xray_gate.registry.transactions import transaction
from xray_gate.scan.work import Registration, VersionKey
from xray_gate.wiring.stores import existing_store


@dataclass(frozen=True)
class Judged:
    """A decision and its policy; None where no policy matches, or several do."""

    policy: Policy | None
    decision: Decision


@dataclass(frozen=True)
class Recorded:
    """The newest verdict in the ledger, and what its own policy makes of the evidence.

    `judged` is None where the server's policy of today is the same, where that of then is not
    known any more, and where there is no evidence.
    """

    row: VerdictRow
    is_current: bool
    judged: Judged | None


@dataclass(frozen=True)
class ExplainedVersion:
    """A version of the registry. `evidence`, `current` and `recorded` are None before a scan.

    `why_not`: why a promotion would be refused now, None where it would not be.
    `files_to_compare`: its files would be compared with the scanned ones first, which is not
    done here.
    """

    registration: Registration
    evidence: Evidence | None
    current: Judged | None
    recorded: Recorded | None
    why_not: str | None
    files_to_compare: bool


class _LeftToThePromotion(Comparison):
    """Compares nothing: fetching a model to explain a verdict would take too long."""

    def __init__(self) -> None:
        super().__init__(None)
        self.was_asked = False

    def why_not(self, key: VersionKey, location: str, digest: str) -> None:
        """No reason, and note that there may be one."""
        self.was_asked = True


def explain_version(registry_uri: str, key: VersionKey) -> ExplainedVersion:
    """What the server's policies of now, and those of then, make of a version's evidence.

    Raises `InputError` for a version that the gate has not seen, and where no server has written
    its policies down yet.
    """
    ledger = Ledger()
    # As for a promotion, which reads from the primary.
    with transaction(existing_store(registry_uri).ManagedSessionMaker) as connection:
        registration = ledger.current(connection, key)
        if registration is None:
            raise InputError(
                f"{key}: the gate has seen no such version; check the name, or register it again "
                "if it is older than the gate"
            )
        policies = ledger.server_policies(connection)
        evidence = ledger.evidence_of(connection, registration)
        current = None
        if evidence is not None:
            tags = model_tags(connection, key.workspace, key.name)
            policy, decision = judged(policies, key.name, evidence, tags)
            if policy is not None:
                decision = excused(policy, evidence, decision, time.time())
            current = Judged(policy, decision)
        verdicts = ledger.verdicts(connection, registration)
        recorded = None
        if verdicts:
            recorded = _recorded(connection, verdicts[0], current, evidence)
        why_not, compared = _promotion(connection, ledger, key, policies)
        return ExplainedVersion(registration, evidence, current, recorded, why_not, compared)


def _recorded(
    connection: Connection, row: VerdictRow, current: Judged | None, evidence: Evidence | None
) -> Recorded:
    policy = None if current is None else current.policy
    if policy is not None and policy.digest == row.policy_digest:
        return Recorded(row, True, None)
    then = policy_of(connection, row.policy_name, row.policy_digest)
    if then is None or evidence is None:
        return Recorded(row, False, None)
    return Recorded(row, False, Judged(then, decide(then, evidence, Place.PROMOTION)))


def _promotion(
    connection: Connection, ledger: Ledger, key: VersionKey, policies: PolicySet
) -> tuple[str | None, bool]:
    """Why a promotion would be refused, and whether files would be compared first."""
    comparison = _LeftToThePromotion()
    asked = Admissions(ledger, lambda: policies, time.time, comparison)
    version = version_row(connection, key)
    location = None if version is None else version.storage_location or version.source
    try:
        policy = asked.choice.of(connection, key)
    except MlflowException as denied:
        return denied.message.removeprefix(f"{MESSAGE_START} "), False
    if policy.document.mode(Place.PROMOTION) is Enforcement.OFF:
        return None, False
    return asked.of(connection, key, location, policy).why_not, comparison.was_asked
