"""The model alone: one ready-made batch, asked again and again, of the size that is fastest."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from benchmarks.speed.plan import Floats
from benchmarks.speed.runtimes import Runtime

# Of one batch: its bytes, since what the model makes of them is many times as much, and its images.
MOST_BYTES = {"cpu": 64 * 2**20, "cuda": 1024 * 2**20}
SMALLEST, LARGEST = 16, 4096
TRIAL_SECONDS = 0.25
# The rate of the best two sizes is the same within what the machine's load moves it.
_STILL_RISING = 0.9


class Bare:
    """Asks the model and nothing else.

    Attributes:
        batch: Images a call: the fastest of those tried, unless it is given.

    """

    def __init__(
        self, model: Runtime, shape: tuple[int, int, int], device: str, batch: int | None = None
    ) -> None:
        self._model = model
        self._shape = shape
        self.batch = batch or self._best(MOST_BYTES[device])
        self._images = model.put(_noise(self.batch, shape))

    def run(self, points: int) -> tuple[int, float]:
        """Ask about ``points`` images, rounded up to whole batches: how many, and seconds."""
        calls = -(-points // self.batch)
        started = time.perf_counter()
        for _ in range(calls):
            self._model.run(self._images)
        self._model.wait()
        return calls * self.batch, time.perf_counter() - started

    def _best(self, most_bytes: int) -> int:
        best, rate = SMALLEST, 0.0
        for batch in _sizes(4 * int(np.prod(self._shape)), most_bytes):
            found = self._rate(batch)
            if found < _STILL_RISING * rate:
                break
            best, rate = (batch, found) if found > rate else (best, rate)
        return best

    def _rate(self, batch: int) -> float:
        images = self._model.put(_noise(batch, self._shape))
        self._model.run(images)
        self._model.wait()
        calls, started = 0, time.perf_counter()
        while time.perf_counter() - started < TRIAL_SECONDS:
            self._model.run(images)
            self._model.wait()
            calls += 1
        return calls * batch / (time.perf_counter() - started)


def _sizes(bytes_each: int, most_bytes: int) -> Iterator[int]:
    size = SMALLEST
    while size == SMALLEST or (size <= LARGEST and size * bytes_each <= most_bytes):
        yield size
        size *= 2


def _noise(count: int, shape: tuple[int, int, int]) -> Floats:
    return np.random.default_rng(0).random((count, *shape), dtype=np.float32)
