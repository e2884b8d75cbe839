"""The ways to scan that the table compares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final, Literal

from benchmarks.speed import product, worker
from benchmarks.speed.product import Case
from benchmarks.speed.worker import Run, Task
from xray_gate.backends.isolation import available_threads

Way = Callable[[Case], AbstractContextManager[Run]]
"""Opens a model; what comes back scans a plan, as often as it is asked to."""

REFERENCE = "dense"
BARE: Final = "bare"


def ways(loaders: int = 0) -> dict[str, Way]:
    """Every way by its name, in the order of the table's rows.

    Args:
        loaders: Processes of the plain way's data loader.

    """
    return {
        REFERENCE: partial(product.started, sampling="dense", stops=False),
        "adaptive": partial(product.started, sampling="adaptive", stops=True),
        "plain": partial(_plain, loaders=loaders),
        BARE: _bare_at_its_best,
    }


def _plain(case: Case, loaders: int) -> AbstractContextManager[Run]:
    return worker.started(_task("plain", case, loaders=loaders))


@contextmanager
def _bare_at_its_best(case: Case) -> Iterator[Run]:
    with worker.started(_task(BARE, case)) as trying:
        batch = trying(case.plan().part(1, 1)).batch
    # Another process, whose memory the larger batches that were tried did not raise.
    with bare(case, batch) as run:
        yield run


def bare(case: Case, batch: int | None) -> AbstractContextManager[Run]:
    """The model alone, ``batch`` images a call."""
    return worker.started(_task(BARE, case, batch=batch))


def _task(way: Literal["plain", "bare"], case: Case, **more: Any) -> Task:
    threads = available_threads()
    return Task(way, case.model, case.shape, case.device, threads, **more)
