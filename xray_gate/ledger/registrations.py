"""The work queue: which versions wait, who scans them, what became of them."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    case,
    insert,
    select,
    update,
)

from xray_gate.core.errors import LeaseLost
from xray_gate.core.printable import without_controls
from xray_gate.core.verdict import Verdict
from xray_gate.ledger.newest import of_newest_verdict, superseded
from xray_gate.ledger.tables import registrations, verdicts
from xray_gate.scan.work import Lease, Registration, VersionKey, VersionState

# A deleted version must not hide one that was renamed to its name.
_NEWEST_FIRST = (registrations.c.state == VersionState.DELETED, registrations.c.id.desc())

# Made once: every promotion waits for these, and SQLAlchemy takes longer to build a statement than
# to run it. `_of` gives the parameters.
_OF_VERSION = and_(
    registrations.c.workspace == bindparam("of_workspace"),
    registrations.c.name == bindparam("of_name"),
    registrations.c.version == bindparam("of_version"),
)
# A write that changes nothing takes the lock on both databases: SQLite has no SELECT ... FOR
# UPDATE, and its plain SELECT would run outside the transaction.
_LOCK = (
    update(registrations)
    .where(_OF_VERSION)
    .values(version=registrations.c.version)
    .returning(registrations)
)
_CURRENT = select(registrations).where(_OF_VERSION).order_by(*_NEWEST_FIRST).limit(1)


class Registrations:
    """One row for each registration of a version."""

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
        if lock:
            found = connection.execute(_LOCK, _of(key)).all()
            row = min(found, key=_newest_first, default=None)
        else:
            row = connection.execute(_CURRENT, _of(key)).first()
        return None if row is None else as_registration(row)

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
                newest.setdefault(row.version, as_registration(row))
        return [newest[number] for number in sorted(newest, reverse=True)]

    def newest_passed(
        self, connection: Connection, registration: Registration
    ) -> Registration | None:
        """The newest other version of the same name that is admitted and passed, or None.

        One that was admitted without having passed (audit, warn) is none of them.
        """
        key = registration.key
        # In the order of an index, so that the database stops at the first one that it finds: a
        # name can have a hundred thousand versions.
        row = connection.execute(
            select(registrations)
            .where(
                registrations.c.workspace == key.workspace,
                registrations.c.name == key.name,
                registrations.c.id != registration.id,
                registrations.c.state == VersionState.ADMITTED,
                of_newest_verdict(verdicts.c.verdict) == Verdict.PASSED,
                ~superseded(),
            )
            .order_by(registrations.c.version.desc(), registrations.c.id.desc())
            .limit(1)
        ).first()
        return None if row is None else as_registration(row)

    def close(self, connection: Connection, key: VersionKey) -> bool:
        """Forget the claim of a deleted version: nobody scans it, nothing is admitted by it.

        False for a version that had none.
        """
        changed = connection.execute(
            update(registrations)
            .where(_OF_VERSION, registrations.c.state != VersionState.DELETED)
            .values(state=VersionState.DELETED),
            _of(key),
        )
        return bool(changed.rowcount)

    def rename(self, connection: Connection, key: VersionKey, new_name: str) -> None:
        """Let the registrations of a version follow its registered model's new name.

        A scan that runs was made for the old name's policy: its lease ends, and it is made again.
        """
        connection.execute(
            update(registrations)
            .where(_OF_VERSION)
            .values(name=new_name, lease_owner=None, lease_until=0.0),
            _of(key),
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

    def keep(self, connection: Connection, registration_id: int, location: str) -> None:
        """Write down that the scanned bytes lie at `location` from now on."""
        connection.execute(
            update(registrations)
            .where(registrations.c.id == registration_id)
            .values(location=location, kept=1)
        )

    def claim(self, connection: Connection, owner: str, now: float, seconds: float) -> Lease | None:
        """Lease for `seconds` what nobody holds and has been claimable for the longest time."""
        free = and_(
            registrations.c.state == VersionState.WAITING,
            registrations.c.lease_until <= now,
        )
        candidate = (
            select(registrations.c.id)
            .where(free)
            # What failed stands behind all that came before its next try: a model that kills
            # runners cannot hold up the others, nor can new versions hold up what failed once.
            .order_by(_claimable_since(), registrations.c.id)
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
        return None if row is None else Lease(as_registration(row), owner, now + seconds)

    def put_back(self, connection: Connection, lease: Lease, reason: str, until: float) -> None:
        """End a lease without a verdict; nobody can claim it before `until`. `LeaseLost`."""
        changed = connection.execute(
            update(registrations)
            .where(*_held(lease))
            # It quotes hostile names, and a database takes neither NUL nor half a character.
            .values(lease_owner=None, lease_until=until, failure=without_controls(reason))
        )
        if changed.rowcount != 1:
            raise LeaseLost(_lost(lease))

    def requeue(self, connection: Connection, registration_id: int) -> None:
        """Let a registration wait for a scan as if it were new."""
        connection.execute(
            update(registrations)
            .where(registrations.c.id == registration_id)
            .values(
                state=VersionState.WAITING,
                lease_owner=None,
                lease_until=0.0,
                attempts=0,
                failure=None,
            )
        )

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
            .values(state=state, scan_id=scan_id, lease_owner=None, failure=None)
        )
        if changed.rowcount != 1:
            raise LeaseLost(_lost(lease))
        row = connection.execute(
            select(registrations).where(registrations.c.id == lease.registration.id)
        ).one()
        return as_registration(row).key


def _of(key: VersionKey) -> dict[str, str | int]:
    return {"of_workspace": key.workspace, "of_name": key.name, "of_version": key.version}


def _newest_first(row: Row[Any]) -> tuple[bool, int]:
    """As `_NEWEST_FIRST`: an UPDATE returns rows in no order."""
    return row.state == VersionState.DELETED, -row.id


def _claimable_since() -> ColumnElement[float]:
    created, free = registrations.c.created_at, registrations.c.lease_until
    return case((free > created, free), else_=created)


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


def as_registration(row: Row[Any]) -> Registration:
    """A row of the table as the others know it."""
    return Registration(
        id=row.id,
        key=VersionKey(row.workspace, row.name, row.version),
        location=row.location,
        state=VersionState(row.state),
        attempts=row.attempts,
        kept=bool(row.kept),
        scan_id=row.scan_id,
        failure=row.failure,
        retry_at=row.lease_until if _waits_for_a_retry(row) else None,
    )


def _waits_for_a_retry(row: Row[Any]) -> bool:
    return bool(row.state == VersionState.WAITING and row.lease_owner is None and row.failure)
