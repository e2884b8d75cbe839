"""Of several registrations of a version, and of several verdicts on one, the newest counts."""

from typing import Any

from sqlalchemy import Column, ColumnElement, ScalarSelect, exists, select

from xray_gate.ledger.tables import registrations, verdicts
from xray_gate.scan.work import VersionState


def superseded() -> ColumnElement[bool]:
    """Whether a row of `registrations` has a newer one of the same version that is not deleted.

    A name can be deleted where the gate does not see it, and used again.
    """
    newer = registrations.alias()
    return exists().where(
        newer.c.workspace == registrations.c.workspace,
        newer.c.name == registrations.c.name,
        newer.c.version == registrations.c.version,
        newer.c.id > registrations.c.id,
        newer.c.state != VersionState.DELETED,
    )


def of_newest_verdict(column: Column[Any]) -> ScalarSelect[Any]:
    """A column of the verdict that was recorded last on a row of `registrations`."""
    return (
        select(column)
        .where(verdicts.c.registration_id == registrations.c.id)
        .order_by(verdicts.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
