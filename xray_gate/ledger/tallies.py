"""How the queue stands, in figures."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from xray_gate.core.verdict import Verdict
from xray_gate.ledger.newest import of_newest_verdict, superseded
from xray_gate.ledger.notices import Notices
from xray_gate.ledger.tables import registrations, verdicts
from xray_gate.scan.work import VersionState


@dataclass(frozen=True)
class Tallies:
    """Times are seconds since the epoch; None where there is nothing that could have one."""

    waiting: int
    oldest: float | None
    unscannable: int
    given_up: int
    last_runner: float | None


def tallies(connection: Connection) -> Tallies:
    """Versions that wait, those refused without a verdict either way, dead letters, and runners."""
    waits = registrations.c.state == VersionState.WAITING
    waiting, oldest = connection.execute(
        select(func.count(), func.min(registrations.c.created_at)).where(waits)
    ).one()
    undecided = of_newest_verdict(verdicts.c.verdict) == Verdict.UNDECIDED
    unscannable = connection.execute(
        select(func.count())
        .select_from(registrations)
        .where(registrations.c.state == VersionState.REFUSED, undecided)
    ).scalar_one()
    dead_letters = registrations.c.state == VersionState.DEAD_LETTER
    given_up = connection.execute(
        select(func.count()).select_from(registrations).where(dead_letters, ~superseded())
    ).scalar_one()
    last_runner = Notices().last_runner(connection)
    return Tallies(int(waiting), oldest, int(unscannable), int(given_up), last_runner)
