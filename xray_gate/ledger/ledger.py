"""Reads and writes of the ledger, each inside a transaction that the caller owns.

No method commits: a registration commits with MLflow's own insert, a verdict with the status that
it causes, a promotion with the check that allows it.
"""

import json
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, select, update

from xray_gate.core.errors import LeaseLost, PolicyError
from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision, Verdict
from xray_gate.ledger.tables import policy_sets, registrations, runners, scans, verdicts
from xray_gate.policy.files import PolicySet
from xray_gate.scan.work import (
    Lease,
    RecordedVerdict,
    Registration,
    VersionKey,
    VersionState,
)

# A deleted version must not hide one that was renamed to its name.
_NEWEST_FIRST = (registrations.c.state == VersionState.DELETED, registrations.c.id.desc())


@dataclass(frozen=True)
class VerdictRow:
    """A verdict as it was recorded, newest first in `Ledger.verdicts`."""

    verdict: str
    reasons: list[str]
    admits: bool
    policy_name: str
    policy_digest: str
    scan_id: str | None
    run_id: str | None
    digest: str | None
    created_at: float


class Ledger:
    """The ledger's operations over a connection. Holds no state of its own."""

    def register(self, connection: Connection, key: VersionKey, location: str, now: float) -> int:
        """Write down that a version waits for a scan; the registration's id."""
        result = connection.execute(
            insert(registrations).values(
                workspace=key.workspace,
                name=key.name,
                version=key.version,
                location=location,
                state=VersionState.WAITING,
                created_at=now,
                lease_until=0.0,
                attempts=0,
            )
        )
        assert result.inserted_primary_key is not None
        return int(result.inserted_primary_key[0])

    def current(
        self, connection: Connection, key: VersionKey, *, lock: bool = False
    ) -> Registration | None:
        """The newest registration of a version, or None for one that the gate never saw.

        With `lock` no other transaction can change it until this one ends.
        """
        same = and_(
            registrations.c.workspace == key.workspace,
            registrations.c.name == key.name,
            registrations.c.version == key.version,
        )
        if lock:
            # A write that changes nothing takes the lock on both databases: SQLite has no
            # SELECT ... FOR UPDATE, and its plain SELECT would run outside the transaction.
            connection.execute(
                update(registrations).where(same).values(version=registrations.c.version)
            )
        row = connection.execute(
            select(registrations).where(same).order_by(*_NEWEST_FIRST).limit(1)
        ).first()
        return None if row is None else _registration(row)

    def registrations_of(
        self, connection: Connection, workspace: str, name: str, version: int | None
    ) -> list[Registration]:
        """The newest registration of every version of a name, or of one version; newest first."""
        rows = connection.execute(
            select(registrations)
            .where(registrations.c.workspace == workspace, registrations.c.name == name)
            .order_by(*_NEWEST_FIRST)
        )
        newest: dict[int, Registration] = {}
        for row in rows:
            if version in (None, row.version):
                newest.setdefault(row.version, _registration(row))
        return [newest[number] for number in sorted(newest, reverse=True)]

    def close(self, connection: Connection, key: VersionKey) -> None:
        """Forget the claim of a deleted version: nobody scans it, nothing is admitted by it."""
        connection.execute(
            update(registrations)
            .where(
                registrations.c.workspace == key.workspace,
                registrations.c.name == key.name,
                registrations.c.version == key.version,
            )
            .values(state=VersionState.DELETED)
        )

    def rename(self, connection: Connection, key: VersionKey, new_name: str) -> None:
        """Let the registrations of a version follow its registered model's new name.

        A scan that runs was made for the old name's policy: its lease ends, and it is made again.
        """
        connection.execute(
            update(registrations)
            .where(
                registrations.c.workspace == key.workspace,
                registrations.c.name == key.name,
                registrations.c.version == key.version,
            )
            .values(name=new_name, lease_owner=None, lease_until=0.0)
        )

    def set_state(
        self, connection: Connection, registration_id: int, state: VersionState, scan_id: str | None
    ) -> None:
        """Set a registration's state without a lease: for what is decided at registration."""
        connection.execute(
            update(registrations)
            .where(registrations.c.id == registration_id)
            .values(state=state, scan_id=scan_id, lease_owner=None)
        )

    def claim(self, connection: Connection, owner: str, now: float, seconds: float) -> Lease | None:
        """Lease the oldest waiting registration that nobody holds, for `seconds`."""
        free = and_(
            registrations.c.state == VersionState.WAITING,
            registrations.c.lease_until <= now,
        )
        candidate = (
            select(registrations.c.id)
            .where(free)
            # Those that never failed come first, so that a model that kills runners cannot
            # hold up all the others.
            .order_by(registrations.c.attempts, registrations.c.id)
            .limit(1)
            # PostgreSQL's runners step round each other instead of finding the queue empty;
            # SQLite, with one writer at a time, leaves this out.
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        row = connection.execute(
            update(registrations)
            .where(registrations.c.id == candidate, free)
            .values(
                lease_owner=owner,
                lease_until=now + seconds,
                attempts=registrations.c.attempts + 1,
            )
            .returning(*registrations.c)
        ).first()
        return None if row is None else Lease(_registration(row), owner, now + seconds)

    def renew(self, connection: Connection, lease: Lease, now: float, seconds: float) -> None:
        """Prolong a lease; `LeaseLost` when it is no longer this owner's."""
        changed = connection.execute(
            update(registrations).where(*_held(lease)).values(lease_until=now + seconds)
        )
        if changed.rowcount != 1:
            raise LeaseLost(_lost(lease))

    def settle(
        self, connection: Connection, lease: Lease, state: VersionState, scan_id: str | None
    ) -> VersionKey:
        """End a lease with the state that the verdict causes; `LeaseLost` when it is gone.

        Returns the version's key as it is now: its registered model may have been renamed.
        """
        changed = connection.execute(
            update(registrations)
            .where(*_held(lease))
            .values(state=state, scan_id=scan_id, lease_owner=None)
        )
        if changed.rowcount != 1:
            raise LeaseLost(_lost(lease))
        row = connection.execute(
            select(registrations).where(registrations.c.id == lease.registration.id)
        ).one()
        return _registration(row).key

    def record_scan(
        self, connection: Connection, evidence: Evidence, run_id: str | None, now: float
    ) -> None:
        """Keep the evidence for ever."""
        connection.execute(
            insert(scans).values(
                scan_id=evidence.scan_id,
                digest=evidence.model.digest,
                evidence=json.dumps(evidence.to_json(), allow_nan=False),
                run_id=run_id,
                created_at=now,
            )
        )

    def record_verdict(
        self,
        connection: Connection,
        registration_id: int,
        decision: Decision,
        policy: tuple[str, str],
        scan_id: str | None,
        now: float,
    ) -> None:
        """Keep a verdict for ever; `policy` is its name and digest."""
        connection.execute(
            insert(verdicts).values(
                registration_id=registration_id,
                scan_id=scan_id,
                verdict=decision.verdict,
                admits=int(decision.admits),
                reasons=json.dumps(list(decision.reasons)),
                policy_name=policy[0],
                policy_digest=policy[1],
                created_at=now,
            )
        )

    def evidence_of(self, connection: Connection, registration: Registration) -> Evidence | None:
        """The evidence that the registration's state rests on, or None before a scan."""
        text = connection.execute(
            select(scans.c.evidence)
            .join(registrations, registrations.c.scan_id == scans.c.scan_id)
            .where(registrations.c.id == registration.id)
        ).scalar()
        return None if text is None else Evidence.from_json(json.loads(text))

    def newest_verdict(
        self, connection: Connection, registration: Registration
    ) -> RecordedVerdict | None:
        """The verdict on a registration that was recorded last, or None before any."""
        row = connection.execute(
            select(verdicts.c.verdict, verdicts.c.reasons)
            .where(verdicts.c.registration_id == registration.id)
            .order_by(verdicts.c.id.desc())
            .limit(1)
        ).first()
        return row and RecordedVerdict(Verdict(row.verdict), tuple(json.loads(row.reasons)))

    def verdicts(self, connection: Connection, registration: Registration) -> list[VerdictRow]:
        """Every verdict on a registration, newest first."""
        rows = connection.execute(
            select(verdicts, scans.c.run_id, scans.c.digest)
            .outerjoin(scans, scans.c.scan_id == verdicts.c.scan_id)
            .where(verdicts.c.registration_id == registration.id)
            .order_by(verdicts.c.id.desc())
        )
        return [
            VerdictRow(
                verdict=Verdict(row.verdict),
                reasons=json.loads(row.reasons),
                admits=bool(row.admits),
                policy_name=row.policy_name,
                policy_digest=row.policy_digest,
                scan_id=row.scan_id,
                run_id=row.run_id,
                digest=row.digest,
                created_at=row.created_at,
            )
            for row in rows
        ]

    def remember_policies(self, connection: Connection, policies: PolicySet, now: float) -> None:
        """Write down the server's policies, once for each change."""
        newest = connection.execute(
            select(policy_sets.c.digest).order_by(policy_sets.c.id.desc()).limit(1)
        ).scalar()
        if newest != policies.digest:
            connection.execute(
                insert(policy_sets).values(
                    digest=policies.digest,
                    policies=json.dumps(policies.to_json()),
                    created_at=now,
                )
            )

    def server_policies(self, connection: Connection) -> PolicySet:
        """The policies that the server wrote down last; `PolicyError` when it never did."""
        text = connection.execute(
            select(policy_sets.c.policies).order_by(policy_sets.c.id.desc()).limit(1)
        ).scalar()
        if text is None:
            raise PolicyError(
                "no MLflow server with the gate has used this registry yet; start one with "
                "XRAY_GATE_POLICY set"
            )
        return PolicySet.from_json(json.loads(text))

    def runner_seen(self, connection: Connection, owner: str, now: float) -> None:
        """Note that a runner is alive."""
        changed = connection.execute(
            update(runners).where(runners.c.owner == owner).values(last_seen=now)
        )
        if changed.rowcount == 0:
            connection.execute(insert(runners).values(owner=owner, last_seen=now))

    def last_runner(self, connection: Connection) -> float | None:
        """When a runner was last seen, or None for never."""
        return connection.execute(select(func.max(runners.c.last_seen))).scalar()

    def waiting(self, connection: Connection) -> int:
        """How many registrations wait for a verdict."""
        return int(
            connection.execute(
                select(func.count())
                .select_from(registrations)
                .where(registrations.c.state == VersionState.WAITING)
            ).scalar_one()
        )


def _held(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    return (
        registrations.c.id == lease.registration.id,
        registrations.c.state == VersionState.WAITING,
        registrations.c.lease_owner == lease.owner,
        # The attempt is the fence: the same runner may have lost the lease and taken it again.
        registrations.c.attempts == lease.registration.attempts,
    )


def _lost(lease: Lease) -> str:
    return (
        f"{lease.registration.key}: the lease ran out, or the version was taken by another runner, "
        "renamed or deleted; the result of this scan is dropped"
    )


def _registration(row: Row[tuple[object, ...]]) -> Registration:
    return Registration(
        id=row.id,
        key=VersionKey(row.workspace, row.name, row.version),
        location=row.location,
        state=VersionState(row.state),
        attempts=row.attempts,
    )
