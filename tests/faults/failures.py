"""Rows of the table in which a part of the runner fails, or its disk is full."""

from collections.abc import Callable

from tests.faults.cases import LOOKS, Row, describe, finished, row, state_of
from tests.faults.instrument import Fault
from tests.faults.program import Order
from tests.faults.site import FaultSite
from tests.faults.surroundings import (
    full_database,
    mount_something,
    small_snapshots,
    small_temporary_files,
)
from xray_gate.registry.snapshots import DEFAULT_PLACE
from xray_gate.runner.parts import Retries
from xray_gate.scan.work import VersionKey
from xray_gate.wiring import acting

OUTSIDE = (
    ("claim: UPDATE registrations", Fault.DATABASE_ERROR),
    ("policy_for: SELECT policy_sets", Fault.DATABASE_ERROR),
    ("fetch: begins", Fault.REFUSED),
    ("fetch: some files are here", Fault.NO_SPACE),
    ("scan: the digest is made", Fault.NO_SPACE),
    ("renew: UPDATE registrations", Fault.DATABASE_ERROR),
    ("keep: begins", Fault.REFUSED),
    ("keep: some files are sent", Fault.NO_SPACE),
    ("keep: some files are read back", Fault.REFUSED),
    ("withdrawn: SELECT revocations", Fault.DATABASE_ERROR),
    ("sign: begins", Fault.NO_SPACE),
    ("publish: begins", Fault.REFUSED),
    ("publish: some files are sent", Fault.NO_SPACE),
    ("publish: the run is about to end", Fault.REFUSED),
    ("finish: UPDATE registrations", Fault.DATABASE_ERROR),
    ("finish: INSERT scans", Fault.DATABASE_ERROR),
    ("finish: INSERT verdicts", Fault.DATABASE_ERROR),
    ("finish: COMMIT", Fault.DATABASE_ERROR),
    ("finish: committed", Fault.DATABASE_ERROR),
)
"""What is no fault of the model's: a later attempt admits it."""

MODEL = (
    ("scan: the model's process has begun", Fault.CHILD_KILLED),
    ("scan: the model is open", Fault.CHILD_KILLED),
    ("scan: model_xray is asking", Fault.CHILD_KILLED),
)
"""What may be the model's doing: it is not scanned again and again."""


def may_mount(site: FaultSite) -> bool:
    """Whether this machine lets its tests mount a disk of their own."""
    return site.runner(program=mount_something).ended() == 0


def run_full_disk(site: FaultSite, which: str) -> Row:
    """A runner whose disk, or whose snapshots' disk, has room for one page."""
    change, step = DISKS[which]
    number = site.register()
    place = f"file://{site.folder}/small" if change is small_snapshots else DEFAULT_PLACE
    runner = site.runner(None, change, snapshots=place)
    runner.ended()
    assert "No space left on device" in runner.log
    return finished(site, number, step, which, runner)


DISKS: dict[str, tuple[Callable[[Order], None], str]] = {
    "disk for downloads full": (small_temporary_files, "fetch"),
    "disk for snapshots full": (small_snapshots, "keep"),
}


def run_full_sqlite(site: FaultSite) -> Row:
    """A runner that may not add a page to the database."""
    number = site.register()
    runner = site.runner(None, full_database)
    runner.ended()
    assert "database or disk is full" in runner.log
    return finished(site, number, "finish", "SQLite database full", runner)


def run_late_copy(site: FaultSite) -> Row:
    """A runner that came too late dies while it copies what another one has kept already.

    Snapshots lie in a folder that both write to.
    """
    number = site.register()
    shared = f"file://{site.folder}/shared"
    step = "keep: half of the first file is copied"
    late = site.runner(
        snapshots=shared, faults={"keep: nothing is copied yet": Fault.STOP, step: Fault.KILL}
    )
    late.wait_until_stopped()
    left = describe(site, number)
    other = site.runner(snapshots=shared, hours=2.0)
    assert other.ended() == 0, other.log
    assert state_of(site, number) == "admitted"
    late.go_on()
    assert late.ended() < 0, late.log
    site.recover(LOOKS)
    return row(site, number, step, "stopped until another one was done, then kill -9", left)


LASTING = (
    ("fetch: begins", Fault.REFUSED),
    ("keep: begins", Fault.NO_SPACE),
    ("scan: the digest is made", Fault.NO_SPACE),
)
"""What does not end by itself: the version is given up, and scanned again when a person says so."""


def run_lasting(site: FaultSite, step: str, fault: Fault) -> tuple[Row, Row]:
    """What fails at every try; then it is mended, and a person asks for a new scan."""
    number = site.register()
    runner = site.runner(faults={step: fault}, times=99, looks=6, hours=2.0)
    assert runner.ended() == 0, runner.log
    return _given_up_and_again(site, number, step, f"{fault}, at every try")


def run_deaths(site: FaultSite, step: str) -> tuple[Row, Row]:
    """Every runner that takes the version dies."""
    number = site.register()
    tries = Retries().tries
    for hours in range(tries):
        runner = site.runner(faults={step: Fault.KILL}, hours=2.0 * hours)
        assert runner.ended() < 0, runner.log
    site.runner(hours=2.0 * tries).ended()
    return _given_up_and_again(site, number, step, f"{Fault.KILL}, at every try")


def _given_up_and_again(site: FaultSite, number: int, step: str, fault: str) -> tuple[Row, Row]:
    left = describe(site, number)
    given_up = row(site, number, step, fault, left)
    site.scanned_again.add(f"signs/{number}")
    acting.rescan_version(site.order.registry_uri, VersionKey("default", "signs", number), "ann")
    left = describe(site, number)
    site.recover(LOOKS)
    return given_up, row(site, number, "rescan", "after it was mended", left)
