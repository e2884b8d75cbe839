"""A process of its own for a way that is not the product's, whose memory shows there alone."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from benchmarks.speed.plan import Outcome, Plan

Run = Callable[[Plan], Outcome]
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Task:
    """What to open.

    Attributes:
        way: ``plain`` or ``bare``.
        model: The file.
        shape: Channels, height and width of an image.
        device: ``cpu`` or ``cuda``.
        threads: Of the runtime.
        batch: Images a call of the bare model; None for the fastest.
        loaders: Processes of the plain way's data loader.

    """

    way: Literal["plain", "bare"]
    model: Path
    shape: tuple[int, int, int]
    device: str
    threads: int
    batch: int | None = None
    loaders: int = 0


@contextmanager
def started(task: Task) -> Iterator[Run]:
    """A process that has opened the model of ``task``; it ends with the context.

    Raises:
        RuntimeError: If it cannot, or, from the function yielded, if it fails or dies.

    """
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.speed.serving"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=_ROOT,
        env={**os.environ, "OMP_NUM_THREADS": str(task.threads)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    to, back = process.stdin, process.stdout

    def ask(thing: Task | Plan) -> Outcome:
        try:
            pickle.dump(thing, to)
            to.flush()
            answer = pickle.load(back)
        except (EOFError, BrokenPipeError) as error:
            raise RuntimeError(
                f"the process of the way {task.way} ended without an answer, perhaps for want of "
                "memory; see what it wrote, or take smaller batches"
            ) from error
        return _believed(answer, task)

    try:
        ask(task)
        yield ask
    finally:
        _close(to)
        process.wait()
        back.close()


def _believed(answer: object, task: Task) -> Outcome:
    if not isinstance(answer, Outcome):
        raise RuntimeError(f"the way {task.way} failed: {answer}")
    return answer


def _close(to: IO[bytes]) -> None:
    # One that died leaves bytes that nobody will read.
    with contextlib.suppress(BrokenPipeError):
        to.close()
