"""What runs in a worker's process: the plain way or the bare model, and nothing of the product.

It reads a ``Task`` and then plans from its standard input, and answers each of them with an
``Outcome``, or with the text of an error.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from typing import IO

from benchmarks.speed.bare import Bare
from benchmarks.speed.plan import Outcome, Plan
from benchmarks.speed.processes import peak_bytes, resident_bytes
from benchmarks.speed.runtimes import Runtime, open_runtime
from benchmarks.speed.worker import Run, Task


def opened(task: Task) -> Run:
    """Open the model of ``task``; what comes back scans plans."""
    model = open_runtime(task.model, task.device, task.threads)
    return _bare(model, task) if task.way == "bare" else _plain(model, task)


def _memory() -> tuple[int, int]:
    return resident_bytes(os.getpid()), peak_bytes(os.getpid())


def _bare(model: Runtime, task: Task) -> Run:
    open_bytes, _ = _memory()
    bare = Bare(model, task.shape, task.device, task.batch)

    def ask(plan: Plan) -> Outcome:
        queries, seconds = bare.run(plan.points)
        return Outcome(queries, seconds, open_bytes, _memory()[1], batch=bare.batch)

    return ask


def _plain(model: Runtime, task: Task) -> Run:
    # Here, because the bare model must not be weighed with PyTorch and SciPy beside it.
    from benchmarks.speed import plain

    open_bytes, _ = _memory()

    def scan(plan: Plan) -> Outcome:
        begun = time.perf_counter()
        planes = plain.scan(model, plan, task.loaders)
        seconds = time.perf_counter() - begun
        return Outcome(
            plain.queries_of(plan), seconds, open_bytes, _memory()[1], planes, plain.BATCH
        )

    return scan


def serve(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until there are no more questions, or one of them fails."""
    run: Run | None = None
    while True:
        try:
            asked = pickle.load(questions)
        except EOFError:
            return
        try:
            if isinstance(asked, Task):
                run, answer = opened(asked), Outcome(0, 0.0, *_memory())
            else:
                assert run is not None, "a task comes first"
                answer = run(asked)
        except Exception as error:
            pickle.dump(f"{type(error).__name__}: {error}", answers)
            return
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "wb") as back:
        # What libraries print must not end up among the answers.
        os.dup2(2, 1)
        serve(sys.stdin.buffer, back)
