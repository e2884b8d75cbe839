"""Withdrawing an admission: of these bytes, wherever they are registered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlflow.entities.model_registry.model_version_stages import STAGE_NONE
from sqlalchemy import Connection

from xray_gate.core.audit_line import Via, Who
from xray_gate.core.errors import InputError
from xray_gate.core.verdict import NO_POLICY, Verdict, undecided
from xray_gate.registry.journal import Journal
from xray_gate.registry.ports import RevokingPort
from xray_gate.registry.promotions import aliases_of
from xray_gate.registry.refusal import status_text
from xray_gate.registry.rows import version_row
from xray_gate.registry.transactions import transaction
from xray_gate.registry.version_status import VersionStatus, mirror_tags, set_status
from xray_gate.scan.work import Registration, Revocation, VersionKey, VersionState


@dataclass(frozen=True)
class Withdrawn:
    """A version that is admitted no more; `aliases` and `stage` are where it still stands."""

    key: VersionKey
    aliases: tuple[str, ...]
    stage: str | None


def revoke(
    make_session: Callable[..., Any],
    ledger: RevokingPort,
    key: VersionKey,
    reason: str,
    by: str,
    now: float,
) -> tuple[Revocation, list[Withdrawn]]:
    """Withdraw the bytes of a version, and all versions that have them.

    They are refused from here on, also when they are registered again. Aliases and stages are left
    as they are, since taking a model out of production is for those who run it; its files cannot be
    read through the registry any more. Raises `InputError` for a version that was never scanned.
    """
    with transaction(make_session) as connection:
        ledger.lock_revocations(connection)
        registration = ledger.current(connection, key, lock=True)
        evidence = None
        if registration is not None:
            evidence = ledger.evidence_of(connection, registration)
        if evidence is None or not evidence.model.digest.startswith("sha256:"):
            raise InputError(
                f"{key}: has not been scanned, so there is nothing to withdraw; look at "
                f"`xray-gate status {key.name}`"
            )
        revocation = Revocation(evidence.model.digest, reason, by)
        ledger.revoke(connection, revocation, now)
        found = ledger.registrations_with(connection, revocation.digest)
        journal = Journal(lambda: Who(Via.COMMAND, by))
        journal.revoked(key, revocation, len(found))
        gone = [_withdraw(connection, ledger, journal, one, revocation, now) for one in found]
        ledger.append_log(connection, journal.take(), now)
        return revocation, gone


def _withdraw(
    connection: Connection,
    ledger: RevokingPort,
    journal: Journal,
    registration: Registration,
    revocation: Revocation,
    now: float,
) -> Withdrawn:
    key, scan_id = registration.key, registration.scan_id
    ledger.set_state(connection, registration.id, VersionState.REVOKED, scan_id)
    decision = undecided(str(revocation))
    verdict = ledger.record_verdict(connection, registration.id, decision, NO_POLICY, scan_id, now)
    details = {"scan_id": scan_id, "digest": revocation.digest}
    journal.verdict(key, verdict, decision, NO_POLICY, details)
    row = version_row(connection, key)
    if row is not None:
        message = status_text(f"{revocation}.", f"Next: xray-gate status {key.arguments}")
        set_status(connection, key, VersionStatus(False, message))
        mirror_tags(connection, key, {"xray_gate.verdict": str(Verdict.UNDECIDED)})
    stage = None if row is None or row.current_stage == STAGE_NONE else row.current_stage
    return Withdrawn(key, tuple(sorted(aliases_of(connection, key))), stage)
