"""How the queue stands, in figures."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from xray_gate.core.verdict import Verdict
from xray_gate.ledger.tables import registrations, runners, verdicts
from xray_gate.scan.work import VersionState


@dataclass(frozen=True)
class Tallies:
    """Times are seconds since the epoch; None where there is nothing that could have one."""

    waiting: int
    oldest: float | None
    unscannable: int
    last_runner: float | None


def tallies(connection: Connection) -> Tallies:
    """Versions that wait, since when, those refused without a verdict either way, and runners."""
    waits = registrations.c.state == VersionState.WAITING
    waiting, oldest = connection.execute(
        select(func.count(), func.min(registrations.c.created_at)).where(waits)
    ).one()
    newest = (
        select(verdicts.c.verdict)
        .where(verdicts.c.registration_id == registrations.c.id)
        .order_by(verdicts.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    unscannable = connection.execute(
        select(func.count())
        .select_from(registrations)
        .where(registrations.c.state == VersionState.REFUSED, newest == Verdict.UNDECIDED)
    ).scalar_one()
    last_runner = connection.execute(select(func.max(runners.c.last_seen))).scalar()
    return Tallies(int(waiting), oldest, int(unscannable), last_runner)
