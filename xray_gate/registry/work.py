"""The runner's side of the registry: leases, and a verdict together with the status it causes."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection

from xray_gate.core.audit_line import Via, Who
from xray_gate.core.printable import time_text
from xray_gate.core.verdict import (
    NO_POLICY,
    Decision,
    Enforcement,
    Verdict,
    excuses_text,
    undecided,
)
from xray_gate.policy.files import Policy
from xray_gate.registry.journal import Journal
from xray_gate.registry.ports import LeasePort
from xray_gate.registry.promotions import held_promotions
from xray_gate.registry.refusal import status_text
from xray_gate.registry.rows import model_tags, version_row
from xray_gate.registry.transactions import transaction
from xray_gate.registry.version_status import (
    VersionStatus,
    excuse_tags,
    mirror_tags,
    set_status,
    set_waiting,
)
from xray_gate.scan.work import (
    Lease,
    ModelOrigin,
    Registration,
    Settlement,
    VersionKey,
    VersionState,
)


class RegistryWork:
    """A `WorkQueue` on a registry's database.

    `make_session` is the registry store's own session maker; `owner` names this runner;
    `lease_seconds` is how long a runner may be silent before its work is given to another.
    """

    def __init__(
        self,
        make_session: Callable[..., Any],
        ledger: LeasePort,
        owner: str,
        lease_seconds: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._make_session = make_session
        self._ledger = ledger
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._clock = clock

    def _transaction(self) -> AbstractContextManager[Connection]:
        return transaction(self._make_session)

    def heartbeat(self) -> None:
        """Say that this runner is alive."""
        with self._transaction() as connection:
            self._ledger.runner_seen(connection, self._owner, self._clock())

    def claim(self) -> Lease | None:
        """Take the oldest waiting version that nobody holds."""
        with self._transaction() as connection:
            return self._ledger.claim(connection, self._owner, self._clock(), self._lease_seconds)

    def renew(self, lease: Lease) -> None:
        """Prolong a lease; raises `LeaseLost`."""
        with self._transaction() as connection:
            now = self._clock()
            self._ledger.renew(connection, lease, now, self._lease_seconds)
            self._ledger.runner_seen(connection, self._owner, now)

    def policy_for(self, lease: Lease, flavours: tuple[str, ...] | None = None) -> Policy | None:
        """See `WorkQueue.policy_for`."""
        key = lease.registration.key
        with self._transaction() as connection:
            policies = self._ledger.server_policies(connection)
            tags = model_tags(connection, key.workspace, key.name)
        return policies.match(key.name, tags, flavours)

    def tags_of(self, lease: Lease) -> dict[str, str]:
        """The tags of the version's registered model."""
        key = lease.registration.key
        with self._transaction() as connection:
            return model_tags(connection, key.workspace, key.name)

    def champion_for(self, lease: Lease) -> Registration | None:
        """The newest other version of the same name that passed and is admitted, or None.

        One that was admitted without having passed (audit, warn) is no measure for another.
        """
        with self._transaction() as connection:
            return self._ledger.newest_passed(connection, lease.registration)

    def origin_of(self, lease: Lease) -> ModelOrigin:
        """Where the version comes from; nowhere, where it has been deleted in the meantime."""
        with self._transaction() as connection:
            row = version_row(connection, lease.registration.key)
        return ModelOrigin(None, "") if row is None else ModelOrigin(row.run_id, row.source or "")

    def withdrawn(self, digest: str) -> Decision | None:
        """See `WorkQueue.withdrawn`."""
        with self._transaction() as connection:
            gone = self._ledger.revocation_of(connection, digest)
        return None if gone is None else undecided(str(gone))

    def finish(self, lease: Lease, settlement: Settlement) -> Decision:
        """See `WorkQueue.finish`."""
        evidence, policy, now = settlement.evidence, settlement.policy, self._clock()
        with self._transaction() as connection:
            self._ledger.lock_revocations(connection)
            gone = self._ledger.revocation_of(connection, evidence.model.digest)
            decision = settlement.decision if gone is None else undecided(str(gone))
            state = _state(decision, gone is not None, settlement.gave_up)
            # First the lease: nothing is written by a runner that was too slow.
            key = self._ledger.settle(connection, lease, state, evidence.scan_id)
            self._ledger.record_scan(connection, evidence, settlement.run_id, now)
            if settlement.snapshot is not None:
                self._ledger.keep(connection, lease.registration.id, settlement.snapshot)
            named = (policy.name, policy.digest)
            # What was withdrawn must not be passed on by its signature.
            signed = settlement.attestation if gone is None else None
            verdict = self._record(connection, lease, decision, named, evidence.scan_id, signed)
            tags = {
                "xray_gate.verdict": decision.verdict,
                "xray_gate.policy": policy.name,
                "xray_gate.digest": evidence.model.digest,
                "xray_gate.scan_run_id": settlement.run_id or "",
                **excuse_tags(decision),
            }
            message = _status_message(key, decision, settlement.run_id)
            status = VersionStatus(decision.admits, message, settlement.snapshot)
            self._show(connection, lease, key, status, tags)
            scan = {"scan_id": evidence.scan_id, "digest": evidence.model.digest}
            journal = self._journal()
            journal.scanned(key, policy, {**scan, "run_id": settlement.run_id})
            journal.verdict(key, verdict, decision, named, scan)
            journal.exceptions_used(key, decision, policy, evidence.model.digest)
            if state is VersionState.DEAD_LETTER:
                journal.gave_up(key, lease.registration.attempts, decision)
            self._ledger.append_log(connection, journal.take(), now)
        return decision

    def put_back(self, lease: Lease, reason: str, pause: float) -> None:
        """See `WorkQueue.put_back`."""
        with self._transaction() as connection:
            until = self._clock() + pause
            self._ledger.put_back(connection, lease, reason, until)
            current = self._ledger.current(connection, lease.registration.key)
            if current is not None and current.id == lease.registration.id:
                told = f"try {lease.registration.attempts} to scan it failed: {reason}."
                message = status_text(told, f"Next try: {time_text(until)}.")
                # One from before the gate stays what it is until its verdict.
                set_waiting(connection, current.key, message, spare_ready=True)

    def refuse(self, lease: Lease, reason: str, *, gave_up: bool = False) -> None:
        """See `WorkQueue.refuse`."""
        decision = undecided(reason)
        state = _state(decision, is_withdrawn=False, gave_up=gave_up)
        with self._transaction() as connection:
            key = self._ledger.settle(connection, lease, state, None)
            verdict = self._record(connection, lease, decision, NO_POLICY, None)
            tags = {"xray_gate.verdict": str(decision.verdict)}
            message = _status_message(key, decision, None)
            self._show(connection, lease, key, VersionStatus(False, message), tags)
            journal = self._journal()
            journal.verdict(key, verdict, decision, NO_POLICY, {})
            self._ledger.append_log(connection, journal.take(), self._clock())

    def _journal(self) -> Journal:
        return Journal(lambda: Who(Via.RUNNER, self._owner))

    def _show(
        self,
        connection: Connection,
        lease: Lease,
        key: VersionKey,
        status: VersionStatus,
        tags: dict[str, str],
    ) -> None:
        """Set status and tags, if the version is still the one that was registered.

        A name can be deleted where the gate does not see it, and used again: the verdict on the
        old version must not show on the new one.
        """
        current = self._ledger.current(connection, key, lock=True)
        same = current is not None and current.id == lease.registration.id
        if same and self._set_status(connection, key, status):
            mirror_tags(connection, key, tags)
        else:
            self._ledger.set_state(connection, lease.registration.id, VersionState.DELETED, None)

    def _set_status(self, connection: Connection, key: VersionKey, status: VersionStatus) -> bool:
        """As `set_status`; an alias that a policy let a waiting version have stays what it is.

        The database's triggers take new files under an alias for a promotion.
        """
        row = None if status.ready or status.snapshot is None else version_row(connection, key)
        held = [] if row is None else held_promotions(connection, row)
        for promotion in held:
            self._ledger.allow_for_now(connection, key, promotion)
        found = set_status(connection, key, status)
        if held:
            self._ledger.end_allowances(connection)
        return found

    def _record(
        self,
        connection: Connection,
        lease: Lease,
        decision: Decision,
        policy: tuple[str, str],
        scan_id: str | None,
        attestation: str | None = None,
    ) -> int:
        return self._ledger.record_verdict(
            connection, lease.registration.id, decision, policy, scan_id, self._clock(), attestation
        )


def _state(decision: Decision, is_withdrawn: bool, gave_up: bool) -> VersionState:
    if is_withdrawn:
        return VersionState.REVOKED
    if decision.admits:
        return VersionState.ADMITTED
    return VersionState.DEAD_LETTER if gave_up else VersionState.REFUSED


def _status_message(key: VersionKey, decision: Decision, run_id: str | None) -> str:
    words = {
        Verdict.PASSED: "passed.",
        Verdict.FAILED: f"suspected backdoor. {'; '.join(decision.reasons)}.",
        Verdict.UNDECIDED: f"could not be decided. {'; '.join(decision.reasons)}.",
    }
    if decision.verdict is not Verdict.PASSED and decision.enforcement is Enforcement.AUDIT:
        words[decision.verdict] = "scanned; the verdict is kept, and admits whatever it is."
    admitted = "" if decision.enforcement is Enforcement.ENFORCE else f" [{decision.enforcement}]"
    excuses = f" {_sentence(excuses_text(decision.excused_by))}" if decision.excused_by else ""
    step = "" if decision.verdict is Verdict.PASSED else f"Next: xray-gate status {key.arguments}"
    report = f" Report: MLflow run {run_id}." if run_id else ""
    ending = f"{excuses}{report} {step}".strip()
    return status_text(f"{words[decision.verdict]}{admitted}", ending)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
