"""One row of the table: a fault at a step, what it leaves, and what a sound runner makes of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from tests.faults.inconsistencies import inconsistencies
from tests.faults.instrument import Fault
from tests.faults.program import Order
from tests.faults.site import FaultSite, Runner
from tests.faults.surroundings import quick_scans
from tests.support.site import wait_until
from xray_gate.scan.digest import model_digest
from xray_gate.scan.work import VersionState

LOOKS = 1
"""How often a sound runner has to look, each time an hour later, until nothing waits."""

HANGS = (
    "fetch: some files are here",
    "scan: the model is open",
    "keep: half of the first file is sent",
    "keep: some files are sent",
    "publish: a score is logged",
    "finish: LOCK revocations",
)
"""Where a runner may stand still and hold nothing that another one needs."""


@dataclass(frozen=True)
class Row:
    """What was seen: right after the fault, and once a sound runner had worked the queue."""

    step: str
    fault: str
    left: str
    afterwards: str
    state: str
    problems: tuple[str, ...]


def look_for_problems(site: FaultSite) -> list[str]:
    """What is inconsistent in the whole registry of the site."""
    with site.gate.connection() as connection:
        return inconsistencies(connection, site.local, scanned_again=site.scanned_again)


def run_fault(site: FaultSite, step: str, fault: Fault, *, quick: bool = False) -> Row:
    """Let a runner come to grief at `step`, and a sound one go on where it left off.

    With `quick` no model is asked, and nothing is reported to a run.
    """
    number = site.register("no model" if quick else "clean")
    renewing = step.startswith("renew:")
    changes = (quick_scans,) if quick else ()
    runner = site.runner(
        None,
        *changes,
        faults={step: fault},
        awaited=step if renewing else "",
        renew_seconds=0.05 if renewing else None,
    )
    runner.ended()
    assert step in runner.trail, f"{step} was never reached: {runner.log}"
    return finished(site, number, step, fault, runner, *changes)


def run_put_back(site: FaultSite, step: str, *, quick: bool = False) -> Row:
    """Kill a runner while it puts a version back that it could not fetch."""
    number = site.register("no model" if quick else "clean")
    runner = site.runner(faults={"fetch: begins": Fault.REFUSED, step: Fault.KILL})
    assert runner.ended() < 0, f"{step} was never reached: {runner.log}"
    changes = (quick_scans,) if quick else ()
    return finished(site, number, step, Fault.KILL, runner, *changes)


def run_hang(site: FaultSite, step: str) -> Row:
    """Let a runner stand still at `step` until another one has settled its version."""
    number = site.register()
    runner = site.runner(faults={step: Fault.STOP})
    runner.wait_until_stopped()
    left = describe(site, number)
    site.recover(LOOKS)
    runner.go_on()
    runner.ended()
    assert "the result of this scan is dropped" in runner.log
    return row(site, number, step, "stopped until the lease ran out", left)


def finished(
    site: FaultSite,
    number: int,
    step: str,
    fault: str,
    runner: Runner,
    *changes: Callable[[Order], object],
) -> Row:
    """The row of a version whose runner has ended, after a sound one has looked."""
    wait_until(lambda: not runner.left_processes, "the model's process outlived its runner", 20)
    left = describe(site, number) + "; temporary files" * bool(site.left_files)
    site.recover(LOOKS, *changes)
    return row(site, number, step, fault, left)


def row(site: FaultSite, number: int, step: str, fault: str, left: str) -> Row:
    """How the version stands now."""
    state = state_of(site, number)
    problems = look_for_problems(site)
    problems += [f"{name} is left among the temporary files" for name in site.left_files]
    return Row(step, fault, left, describe(site, number), state, tuple(problems))


def state_of(site: FaultSite, number: int, name: str = "signs") -> str:
    """The ledger's state of a version."""
    found = site.gate.registration(name, number)
    return "not registered" if found is None else str(found.state.value)


def describe(site: FaultSite, number: int, name: str = "signs") -> str:
    """State, attempts, verdicts, runs and kept bytes of a version, in a few words."""
    found = site.gate.registration(name, number)
    if found is None:
        return "not registered"
    words = [str(found.state.value), _count(found.attempts, "attempt")]
    with site.gate.connection() as connection:
        verdicts = site.gate.ledger.verdicts(connection, found)
        runs = connection.execute(
            text(
                "SELECT r.status FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid "
                "WHERE t.key = 'xray_gate.version' AND t.value = :version ORDER BY r.start_time"
            ),
            {"version": f"{name}/{number}"},
        ).scalars()
        statuses = list(runs)
    words += [f"{verdict.verdict} verdict" for verdict in verdicts]
    if found.state is VersionState.DELETED:
        return "; ".join(words)
    version = site.gate.plain.get_model_version(name, number)
    words += [f"alias {alias}" for alias in version.aliases]
    kept = _kept(site.local(version.source), site)
    words += [f"{kept} snapshot"] * bool(kept)
    words += [f"report run {', '.join(statuses)}"] * bool(statuses)
    return "; ".join(words)


def _kept(source: Path, site: FaultSite) -> str:
    digest = model_digest(source)
    folder = site.local("mlflow-artifacts:/xray-gate-snapshots") / digest.replace(":", "-")
    copies = [path for path in folder.glob("*") if any(path.iterdir())]
    if not copies:
        return ""
    return "whole" if any(model_digest(copy) == digest for copy in copies) else "half a"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def to_markdown(rows: Sequence[Row]) -> str:
    """A table of the rows."""
    lines = ["| step | fault | left behind | afterwards | consistent |", "|---|---|---|---|---|"]
    for one in rows:
        consistent = "; ".join(one.problems) or "yes"
        cells = (one.step, one.fault, one.left, one.afterwards, consistent)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)
