"""Promotions that an operator let through: who, why, for how long, whether used and reviewed."""

from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from xray_gate.ledger.registrations import as_registration
from xray_gate.ledger.tables import break_glass, registrations
from xray_gate.scan.work import (
    BreakGlass,
    Promotion,
    Registration,
    Review,
    VersionKey,
    VersionState,
)

# Times come back from a database as they were written, but a difference of them does not.
_ROUNDING = 1.0


class BreakGlasses:
    """One row for each time; a use and a review are added to it, each once."""

    def open_break_glass(
        self, connection: Connection, registration: Registration, opened: BreakGlass
    ) -> int:
        """Write down that a promotion is let through; the number of `opened` does not count."""
        result = connection.execute(
            insert(break_glass).values(
                registration_id=registration.id,
                digest=opened.digest,
                kind=opened.promotion.kind,
                value=opened.promotion.value,
                justification=opened.justification,
                ticket=opened.ticket,
                opened_by=opened.by,
                opened_at=opened.opened_at,
                until=opened.until,
            )
        )
        assert result.inserted_primary_key is not None
        return int(result.inserted_primary_key[0])

    def use_break_glass(
        self,
        connection: Connection,
        registration: Registration,
        digest: str,
        promotion: Promotion,
        now: float,
        most_seconds: float,
    ) -> int | None:
        """Use up what lets this promotion of these bytes through; its number, or None.

        None also for one that was opened for longer than `most_seconds`.
        """
        usable = (
            break_glass.c.registration_id == registration.id,
            break_glass.c.digest == digest,
            break_glass.c.kind == promotion.kind,
            break_glass.c.value == promotion.value,
            break_glass.c.used_at.is_(None),
            break_glass.c.reviewed_at.is_(None),
            break_glass.c.until > now,
            break_glass.c.until - break_glass.c.opened_at <= most_seconds + _ROUNDING,
        )
        oldest = select(break_glass.c.id).where(*usable).order_by(break_glass.c.id).limit(1)
        return connection.execute(
            update(break_glass)
            .where(break_glass.c.id == oldest.scalar_subquery(), *usable)
            .values(used_at=now)
            .returning(break_glass.c.id)
        ).scalar()

    def review_break_glass(self, connection: Connection, number: int, review: Review) -> bool:
        """Add a review; False where there is one already, or no such row."""
        changed = connection.execute(
            update(break_glass)
            .where(break_glass.c.id == number, break_glass.c.reviewed_at.is_(None))
            .values(reviewed_by=review.by, note=review.note, reviewed_at=review.at)
        )
        return changed.rowcount == 1

    def break_glass_of(self, connection: Connection, number: int) -> BreakGlass | None:
        """One by its number."""
        row = connection.execute(_all().where(break_glass.c.id == number)).first()
        return None if row is None else _read(row)

    def break_glasses(self, connection: Connection, registration: Registration) -> list[BreakGlass]:
        """All of one registration, newest first."""
        of_one = _all().where(registrations.c.id == registration.id)
        rows = connection.execute(of_one.order_by(break_glass.c.id.desc()))
        return [_read(row) for row in rows]

    def to_review(self, connection: Connection) -> list[BreakGlass]:
        """Those that nobody has reviewed, oldest first, also of versions that are gone."""
        statement = _all().where(break_glass.c.reviewed_at.is_(None)).order_by(break_glass.c.id)
        return [_read(row) for row in connection.execute(statement)]

    def registrations_to_review(self, connection: Connection, workspace: str) -> list[Registration]:
        """The registrations in a workspace that those are of."""
        open_ones = select(break_glass.c.registration_id).where(break_glass.c.reviewed_at.is_(None))
        rows = connection.execute(
            select(registrations)
            .where(registrations.c.workspace == workspace, registrations.c.id.in_(open_ones))
            .order_by(registrations.c.id)
        )
        return [as_registration(row) for row in rows]

    def promoted_by_break_glass(self, connection: Connection) -> set[tuple[VersionKey, Promotion]]:
        """Every promotion that was made by one and may still stand."""
        used = _all().where(
            break_glass.c.used_at.is_not(None), registrations.c.state != VersionState.DELETED
        )
        found = [_read(row) for row in connection.execute(used)]
        return {(one.key, one.promotion) for one in found}


def _all() -> Select[Any]:
    # By today's name of the registered model.
    return select(
        break_glass,
        registrations.c.workspace,
        registrations.c.name,
        registrations.c.version,
    ).join(registrations, registrations.c.id == break_glass.c.registration_id)


def _read(row: Row[Any]) -> BreakGlass:
    review = None
    if row.reviewed_at is not None:
        review = Review(row.reviewed_by, row.note, row.reviewed_at)
    return BreakGlass(
        id=row.id,
        key=VersionKey(row.workspace, row.name, row.version),
        digest=row.digest,
        promotion=Promotion(row.kind, row.value),
        justification=row.justification,
        ticket=row.ticket,
        by=row.opened_by,
        opened_at=row.opened_at,
        until=row.until,
        used_at=row.used_at,
        review=review,
    )
