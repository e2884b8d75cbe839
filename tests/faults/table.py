"""`python -m tests.faults.table --out FILE.md`: every step, every fault, and what came of it.

Takes a quarter of an hour on both databases. Ends with 1 where something is inconsistent.
"""

import argparse
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.faults import clocks, crowds, failures, gate_cases, outages
from tests.faults.cases import HANGS, Row, run_fault, run_hang, run_put_back, to_markdown
from tests.faults.instrument import Fault
from tests.faults.site import FaultSite, fault_site
from tests.faults.steps import PUT_BACK, STEPS
from tests.faults.surroundings import quick_scans
from tests.support.databases import KINDS, Databases

THOUSAND = 1000
TEXT = Path(__file__).with_name("preface.md").read_text()
Section = Callable[[FaultSite, Databases], Iterator[Row]]


def killed(site: FaultSite, _: Databases) -> Iterator[Row]:
    """A runner is killed at every step of a scan and of its verdict's writing."""
    for step in STEPS:
        yield run_fault(site, step, Fault.KILL)
    for step in PUT_BACK:
        yield run_put_back(site, step)


def killed_server(site: FaultSite, _: Databases) -> Iterator[Row]:
    """The server is killed at every step of a registration, a promotion, ..."""
    for call in gate_cases.CALLS:
        yield from gate_cases.kill_calls(site, call)


def failing(site: FaultSite, _: Databases) -> Iterator[Row]:
    """Something that a scan needs fails."""
    for step, fault in (*failures.OUTSIDE, *failures.MODEL):
        yield run_fault(site, step, fault)
    for step, fault in failures.LASTING:
        yield from failures.run_lasting(site, step, fault)
    yield from failures.run_deaths(site, "scan: the model is open")
    if failures.may_mount(site):
        for which in failures.DISKS:
            yield failures.run_full_disk(site, which)
    yield failures.run_late_copy(site)
    if site.database.startswith("sqlite"):
        yield failures.run_full_sqlite(site)


def outage(site: FaultSite, databases: Databases) -> Iterator[Row]:
    """Database and server are gone for a while."""
    if site.database.startswith("sqlite"):
        for step in outages.LOCKED_STEPS:
            yield outages.run_database_locked(site, step)
    else:
        for step in outages.DATABASE_STEPS:
            yield outages.run_database_gone(site, databases.postgres, step)
    for step in outages.SERVER_STEPS:
        yield outages.run_server_gone(site, step, back=False)
        yield outages.run_server_gone(site, step, back=True)


def moved_clock(site: FaultSite, _: Databases) -> Iterator[Row]:
    """A runner's clock is put forward or back."""
    for when in clocks.JUMPS:
        yield clocks.run_jump(site, when)
    yield clocks.run_lease_of_the_past(site)
    yield clocks.run_lease_of_the_future(site)


def crowd(site: FaultSite, _: Databases) -> Iterator[Row]:
    """Runners that come too late, two at once, and a thousand versions."""
    for step in HANGS:
        yield run_hang(site, step)
    yield crowds.run_together(site, 8).row
    many = crowds.run_together(site, THOUSAND, "no model", quick_scans)
    told = [f"{memory[len(memory) // 10]:.0f} to {memory[-1]:.0f}" for memory in many.memory]
    memory = f"; memory after a tenth and at the end, MiB: {', '.join(told)}"
    yield replace(many.row, left=many.row.left + memory)


SECTIONS: dict[str, Section] = {
    "A runner is killed": killed,
    "The server is killed": killed_server,
    "Something fails": failing,
    "Database or server are gone": outage,
    "A clock is moved": moved_clock,
    "More than one runner": crowd,
}


@contextmanager
def _site(databases: Databases, kind: str) -> Iterator[FaultSite]:
    with (
        tempfile.TemporaryDirectory(prefix="xray-gate-faults-") as folder,
        fault_site(Path(folder) / "site", databases.create(kind)) as site,
    ):
        yield site


def main() -> int:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--database", choices=KINDS, action="append")
    parser.add_argument("--section", choices=SECTIONS, action="append")
    options = parser.parse_args()
    # As the suite does: MLflow must not call home.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    kinds, sections = options.database or KINDS, options.section or list(SECTIONS)
    parts: dict[str, list[Row]] = {}
    databases = Databases(durable=True)
    try:
        for kind in kinds:
            with _site(databases, kind) as site:
                for name in sections:
                    parts[f"{name} ({kind})"] = list(SECTIONS[name](site, databases))
                    # After each, so that what was seen is not lost with a later one.
                    options.out.write_text(_text(parts))
                    sys.stderr.write(f"{kind}: {name}\n")
    finally:
        databases.close()
    return int(any(row.problems for rows in parts.values() for row in rows))


def _text(parts: dict[str, list[Row]]) -> str:
    rows = [row for found in parts.values() for row in found]
    consistent = sum(not row.problems for row in rows)
    command = shlex.join(["python", "-m", "tests.faults.table", *sys.argv[1:]])
    summary = (
        f"{datetime.now(UTC):%Y-%m-%d}, `{command}`: {len(rows)} rows, {consistent} of them "
        "consistent.\n"
    )
    tables = [f"## {title}\n\n{to_markdown(found)}\n" for title, found in parts.items()]
    return "\n".join([TEXT, summary, *tables])


if __name__ == "__main__":
    sys.exit(main())
