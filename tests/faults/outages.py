"""Rows of the table in which something that a runner needs is gone for a while."""

import signal
import sqlite3
from collections.abc import Callable

from tests.faults.cases import LOOKS, Row, describe, row, state_of
from tests.faults.instrument import Fault
from tests.faults.site import FaultSite, Runner
from tests.faults.surroundings import little_patience
from tests.support.postgres import PostgresServer
from tests.support.site import wait_until

DATABASE_STEPS = (
    "heartbeat: COMMIT",
    "claim: COMMIT",
    "scan: the model is open",
    "finish: LOCK revocations",
    "finish: INSERT verdicts",
    "finish: COMMIT",
    "finish: committed",
)
LOCKED_STEPS = ("claim: UPDATE registrations", "finish: LOCK revocations")
SERVER_STEPS = (
    "fetch: some files are here",
    "keep: some files are sent",
    "keep: some files are read back",
    "publish: a score is logged",
    "publish: some files are sent",
)


def run_database_gone(site: FaultSite, postgres: PostgresServer, step: str) -> Row:
    """PostgreSQL crashes when a runner is at `step`, and comes back; the same runner goes on."""
    number = site.register()
    runner = _stopped(site, step)
    postgres.stop()
    runner.go_on()
    wait_until(lambda: "could not look for work" in runner.log, f"no failure: {runner.log}")
    postgres.start()
    left = describe(site, number)
    _settled_by_itself(site, runner, number)
    return row(site, number, step, "PostgreSQL gone for a while", left)


def run_database_locked(site: FaultSite, step: str) -> Row:
    """Somebody holds SQLite's lock for longer than a runner at `step` waits for it."""
    number = site.register()
    runner = _stopped(site, step, little_patience)
    left = describe(site, number)
    link = sqlite3.connect(site.database.removeprefix("sqlite:///"), isolation_level=None)
    link.execute("PRAGMA busy_timeout = 20000")
    link.execute("BEGIN EXCLUSIVE")
    runner.go_on()
    wait_until(lambda: "database is locked" in runner.log, f"no failure: {runner.log}")
    link.execute("ROLLBACK")
    link.close()
    _settled_by_itself(site, runner, number)
    return row(site, number, step, "SQLite locked for longer than it waits", left)


def run_server_gone(site: FaultSite, step: str, *, back: bool) -> Row:
    """MLflow's server is killed when a runner is at `step`.

    It is back before the runner asks again, or (not `back`) when the runner has given up.
    """
    number = site.register()
    runner = site.runner(faults={step: Fault.STOP})
    runner.wait_until_stopped()
    left = describe(site, number)
    site.server.kill()
    if back:
        site.server.start()
    runner.go_on()
    runner.ended()
    if not back:
        site.server.start()
    site.recover(LOOKS)
    fault = "MLflow server restarted" if back else "MLflow server gone for a while"
    return row(site, number, step, fault, left)


def _stopped(site: FaultSite, step: str, *changes: Callable[..., None]) -> Runner:
    """A runner that goes on for ever and stands still at a step, with a short lease."""
    runner = site.runner(None, *changes, faults={step: Fault.STOP}, lease_seconds=2, forever=True)
    runner.wait_until_stopped()
    return runner


def _settled_by_itself(site: FaultSite, runner: Runner, number: int) -> None:
    """The same runner settles the version, and ends when it is told to."""
    waiting = f"it still waits: {runner.log}"
    wait_until(lambda: state_of(site, number) != "waiting", waiting, 60)
    runner.signal(signal.SIGTERM)
    assert runner.ended() == 0, runner.log
