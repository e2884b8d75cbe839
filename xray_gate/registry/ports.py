"""What the registry needs of the ledger; each call is part of the caller's transaction."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

from xray_gate.core.audit_line import LogNote
from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision
from xray_gate.policy.files import PolicySet
from xray_gate.scan.work import (
    BreakGlass,
    Lease,
    Promotion,
    Proof,
    RecordedVerdict,
    Registration,
    Review,
    Revocation,
    VersionKey,
    VersionState,
)


class LogPort(Protocol):
    """What appends to the audit log."""

    def append_log(self, connection: Connection, notes: Sequence[LogNote], now: float) -> None:
        """Add lines to the chain, as the last thing that a transaction does."""
        ...


class RegistrationsPort(LogPort, Protocol):
    """What the gate and the runner's side both need."""

    def current(
        self, connection: Connection, key: VersionKey, *, lock: bool = False
    ) -> Registration | None:
        """The newest registration of a version."""
        ...

    def newest_verdict(
        self, connection: Connection, registration: Registration
    ) -> RecordedVerdict | None:
        """The verdict that was recorded last."""
        ...

    def set_state(
        self, connection: Connection, registration_id: int, state: VersionState, scan_id: str | None
    ) -> None:
        """Decide a version at its registration."""
        ...

    def lock_revocations(self, connection: Connection) -> None:
        """Let no verdict be written while bytes are withdrawn, nor the other way round."""
        ...

    def keep(self, connection: Connection, registration_id: int, location: str) -> None:
        """Write down that the scanned bytes lie at `location` from now on."""
        ...

    def record_verdict(
        self,
        connection: Connection,
        registration_id: int,
        decision: Decision,
        policy: tuple[str, str],
        scan_id: str | None,
        now: float,
        attestation: str | None = None,
    ) -> int:
        """Keep a verdict; its row's id."""
        ...

    def allow_for_now(self, connection: Connection, key: VersionKey, promotion: Promotion) -> None:
        """Let the database's triggers pass what a policy asks no verdict for."""
        ...

    def end_allowances(self, connection: Connection) -> None:
        """Take back what `allow_for_now` allowed."""
        ...


class LedgerPort(RegistrationsPort, Protocol):
    """What the gate reads from the ledger and writes to it, in the caller's transaction."""

    def register(self, connection: Connection, key: VersionKey, location: str, now: float) -> int:
        """Write down a waiting version; its id."""
        ...

    def close(self, connection: Connection, key: VersionKey) -> bool:
        """Nothing is admitted by this version any more; whether it was known."""
        ...

    def rename(self, connection: Connection, key: VersionKey, new_name: str) -> None:
        """Follow a registered model's new name."""
        ...

    def evidence_of(self, connection: Connection, registration: Registration) -> Evidence | None:
        """What the registration's state rests on."""
        ...

    def proof_of(self, connection: Connection, registration: Registration) -> Proof | None:
        """That evidence, and whether it was withdrawn."""
        ...

    def remember_policies(self, connection: Connection, policies: PolicySet, now: float) -> bool:
        """Write down the server's policies; whether they had changed."""
        ...

    def last_runner(self, connection: Connection) -> float | None:
        """When a runner was last seen."""
        ...

    def use_break_glass(
        self,
        connection: Connection,
        registration: Registration,
        digest: str,
        promotion: Promotion,
        now: float,
        most_seconds: float,
    ) -> int | None:
        """Use up what lets this promotion of these bytes through, if something does."""
        ...

    def break_glasses(self, connection: Connection, registration: Registration) -> list[BreakGlass]:
        """All that was let through, or may be, of one registration."""
        ...


class BreakGlassPort(RegistrationsPort, Protocol):
    """What lets a promotion through on an operator's word, and what is said of it afterwards."""

    def proof_of(self, connection: Connection, registration: Registration) -> Proof | None:
        """The evidence, and whether it was withdrawn."""
        ...

    def server_policies(self, connection: Connection) -> PolicySet:
        """The server's policies."""
        ...

    def open_break_glass(
        self, connection: Connection, registration: Registration, opened: BreakGlass
    ) -> int:
        """Write one down; its number."""
        ...

    def break_glass_of(self, connection: Connection, number: int) -> BreakGlass | None:
        """One by its number."""
        ...

    def break_glasses(self, connection: Connection, registration: Registration) -> list[BreakGlass]:
        """All of one registration."""
        ...

    def review_break_glass(self, connection: Connection, number: int, review: Review) -> bool:
        """Add a review, where there is none."""
        ...


class AdmittedPort(RegistrationsPort, Protocol):
    """What tells which versions were admitted, and by what."""

    def registrations_of(
        self, connection: Connection, workspace: str, name: str, version: int | None
    ) -> list[Registration]:
        """The newest registration of every version of a name, or of one; newest first."""
        ...

    def evidence_of(self, connection: Connection, registration: Registration) -> Evidence | None:
        """What the registration's state rests on."""
        ...

    def server_policies(self, connection: Connection) -> PolicySet:
        """The server's policies."""
        ...


class RevokingPort(RegistrationsPort, Protocol):
    """What withdraws the admission of bytes."""

    def revoke(self, connection: Connection, revocation: Revocation, now: float) -> None:
        """Withdraw a digest."""
        ...

    def registrations_with(self, connection: Connection, digest: str) -> list[Registration]:
        """Every registration of these bytes that is not deleted."""
        ...

    def evidence_of(self, connection: Connection, registration: Registration) -> Evidence | None:
        """What the registration's state rests on."""
        ...


class LeasePort(RegistrationsPort, Protocol):
    """What the runner's side reads from the ledger and writes to it."""

    def revocation_of(self, connection: Connection, digest: str) -> Revocation | None:
        """Why a digest was withdrawn, or None where it was not."""
        ...

    def newest_passed(
        self, connection: Connection, registration: Registration
    ) -> Registration | None:
        """The newest other version of the same name that is admitted and passed."""
        ...

    def claim(self, connection: Connection, owner: str, now: float, seconds: float) -> Lease | None:
        """Lease the oldest waiting registration."""
        ...

    def put_back(self, connection: Connection, lease: Lease, reason: str, until: float) -> None:
        """End a lease without a verdict; nobody can claim it before `until`."""
        ...

    def renew(self, connection: Connection, lease: Lease, now: float, seconds: float) -> None:
        """Prolong a lease."""
        ...

    def settle(
        self, connection: Connection, lease: Lease, state: VersionState, scan_id: str | None
    ) -> VersionKey:
        """End a lease; the version's key as it is now."""
        ...

    def record_scan(
        self, connection: Connection, evidence: Evidence, run_id: str | None, now: float
    ) -> None:
        """Keep the evidence."""
        ...

    def server_policies(self, connection: Connection) -> PolicySet:
        """The server's policies."""
        ...

    def runner_seen(self, connection: Connection, owner: str, now: float) -> None:
        """Note that a runner is alive."""
        ...


class RequeueingPort(RegistrationsPort, Protocol):
    """What lets a version be scanned once more."""

    def requeue(self, connection: Connection, registration_id: int) -> None:
        """Let a registration wait for a scan as if it were new."""
        ...
