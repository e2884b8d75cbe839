"""Registrations that are not done with: they wait, or runners gave them up."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from xray_gate.ledger.newest import superseded
from xray_gate.ledger.registrations import as_registration
from xray_gate.ledger.tables import registrations
from xray_gate.scan.work import Registration, VersionState

OPEN = (VersionState.WAITING, VersionState.DEAD_LETTER)


def open_work(
    connection: Connection, workspace: str, states: Sequence[VersionState] = OPEN
) -> list[Registration]:
    """The registrations of a workspace in one of `states`, oldest first."""
    rows = connection.execute(
        select(registrations)
        .where(
            registrations.c.state.in_(states),
            registrations.c.workspace == workspace,
            ~superseded(),
        )
        .order_by(registrations.c.id)
    )
    return [as_registration(row) for row in rows]
