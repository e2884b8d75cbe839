"""Batches through a model: as many at once as it takes, and the next ones made meanwhile."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Event
from typing import TypeVar

Inputs = TypeVar("Inputs")

# Of batches in memory at once: what a model makes of each takes many times its inputs.
_MOST_LANES = 8


def lanes_of(threads: int) -> tuple[int, int]:
    """How many batches to compute at once with so many threads, and with how many threads each.

    Threads that share a batch wait for each other after each layer, so that they must either spin,
    which takes the cores from others, or sleep and be late; with a batch of their own, they do
    neither (docs/adr/0012).
    """
    within = -(-threads // _MOST_LANES)
    return -(-threads // within), within


def in_batches(
    count: int,
    step: int,
    lanes: int,
    make: Callable[[int, int], Inputs],
    answer: Callable[[int, Inputs], None],
) -> None:
    """Call `answer` with the number of its first question and what `make` makes of each batch.

    A batch is the questions from one number up to another, `step` or what is left of `count`. At
    most `lanes` calls of `answer` run at a time, each from a thread; the batches of one more are
    made meanwhile where there is but one lane, since NumPy lets go of the GIL. The first error
    ends it, and passes through.
    """
    starts: SimpleQueue[int] = SimpleQueue()
    for start in range(0, count, step):
        starts.put(start)
    turns, failed = BoundedSemaphore(lanes), Event()

    def work() -> None:
        while not failed.is_set():
            try:
                start = starts.get_nowait()
            except Empty:
                return
            try:
                inputs = make(start, min(start + step, count))
                with turns:
                    answer(start, inputs)
            except BaseException:
                failed.set()
                raise

    workers = min(max(2, lanes), starts.qsize())
    if workers < 2:
        work()
        return
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work) for _ in range(workers)]:
            done.result()
