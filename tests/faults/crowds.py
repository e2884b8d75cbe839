"""Two runners at once, and many versions that wait."""

import multiprocessing
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.faults.cases import Row, look_for_problems, state_of
from tests.faults.site import FaultSite, Runner

_END_SECONDS = 1800.0


@dataclass(frozen=True)
class Crowd:
    """What became of many versions, how many each runner settled, and what memory it took (MiB)."""

    row: Row
    settled: list[int]
    memory: list[list[float]]


def run_together(site: FaultSite, versions: int, kind: str = "clean", *changes: Any) -> Crowd:
    """Two runners begin at the same moment; every version is settled by one of them, once."""
    numbers = [site.register(kind) for _ in range(versions)]
    start = multiprocessing.get_context("forkserver").Barrier(2)
    runners = [site.runner(start, *changes) for _ in range(2)]
    for runner in runners:
        assert runner.ended(_END_SECONDS) == 0, runner.log
    states = Counter(state_of(site, number) for number in numbers)
    attempts = Counter(_attempts(site, number) for number in numbers)
    settled = [runner.trail.count("finish: committed") for runner in runners]
    row = Row(
        f"{versions} versions wait",
        "two runners at once",
        f"the runners settled {settled[0]} and {settled[1]}",
        "; ".join(f"{count} {state}" for state, count in states.items())
        + "".join(f"; {count} with attempt {number}" for number, count in attempts.items()),
        "admitted" if states == {"admitted": versions} else str(dict(states)),
        tuple(look_for_problems(site)),
    )
    return Crowd(row, settled, [_memory(runner) for runner in runners])


def _attempts(site: FaultSite, number: int) -> int:
    found = site.gate.registration("signs", number)
    return 0 if found is None else found.attempts


def _memory(runner: Runner) -> list[float]:
    path = runner.order.folder / "memory"
    return [float(line) for line in path.read_text().split()] if path.exists() else []
