"""How the work queue stands, asked so often that finished versions must not be read."""

from sqlalchemy import Connection, and_, case, func, select

from xray_gate.ledger.tables import registrations
from xray_gate.scan.queue_figures import QueueFigures
from xray_gate.scan.work import VersionState

_WAITING, _LEASED, _RETRYING = "waiting", "leased", "retrying"


def queue_figures(connection: Connection, now: float) -> QueueFigures:
    """The figures at `now`, in seconds since the epoch; reads the rows of what waits, by index."""
    later = registrations.c.lease_until > now
    place = case(
        (and_(later, registrations.c.lease_owner.is_not(None)), _LEASED),
        (later, _RETRYING),
        else_=_WAITING,
    ).label("place")
    rows = connection.execute(
        select(place, func.count(), func.min(registrations.c.created_at))
        .where(registrations.c.state == VersionState.WAITING)
        .group_by(place)
    ).all()
    counts = {where: int(count) for where, count, _ in rows}
    oldest = min((created for _, _, created in rows), default=now)
    return QueueFigures(
        waiting=counts.get(_WAITING, 0),
        leased=counts.get(_LEASED, 0),
        retrying=counts.get(_RETRYING, 0),
        # The server wrote the time, whose clock may be ahead of this one.
        oldest_seconds=max(0.0, now - oldest),
    )
