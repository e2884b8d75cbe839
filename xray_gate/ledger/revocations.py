"""Bytes whose admission was withdrawn, whatever their evidence says."""

from sqlalchemy import Connection, insert, select, text, update

from xray_gate.ledger.registrations import as_registration
from xray_gate.ledger.tables import registrations, revocations, scans
from xray_gate.scan.work import Registration, Revocation, VersionState

_LOCK_KEY = 7_240_915_113_003


class Revocations:
    """One row for each time that somebody withdrew a digest; the newest counts."""

    def lock_revocations(self, connection: Connection) -> None:
        """Let no verdict be written while bytes are withdrawn, nor the other way round.

        A verdict that is being written cannot be seen yet, and would stay.
        """
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        else:
            # A write that changes nothing: SQLite has one writer at a time, and before the first
            # write of a transaction it reads what may change until then.
            connection.execute(update(revocations).where(revocations.c.id < 0).values(reason=""))

    def revoke(self, connection: Connection, revocation: Revocation, now: float) -> None:
        """Withdraw a digest."""
        connection.execute(
            insert(revocations).values(
                digest=revocation.digest,
                reason=revocation.reason,
                revoked_by=revocation.by,
                created_at=now,
            )
        )

    def revocation_of(self, connection: Connection, digest: str) -> Revocation | None:
        """Why a digest was withdrawn, or None where it was not."""
        row = connection.execute(
            select(revocations)
            .where(revocations.c.digest == digest)
            .order_by(revocations.c.id.desc())
            .limit(1)
        ).first()
        return None if row is None else Revocation(row.digest, row.reason, row.revoked_by)

    def registrations_with(self, connection: Connection, digest: str) -> list[Registration]:
        """Every registration of these bytes in all workspaces but deleted ones; oldest first."""
        rows = connection.execute(
            select(registrations)
            .join(scans, scans.c.scan_id == registrations.c.scan_id)
            .where(scans.c.digest == digest, registrations.c.state != VersionState.DELETED)
            .order_by(registrations.c.id)
        )
        return [as_registration(row) for row in rows]
