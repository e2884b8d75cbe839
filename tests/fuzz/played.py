"""A model's process whose answers are written down before; what reads them is the product's own."""

import fcntl
import os
import termios
from array import array
from collections.abc import Sequence
from contextlib import suppress

from xray_gate.backends.pipes import Deadline, Pipes
from xray_gate.backends.process import ModelProcess
from xray_gate.scan.ports import ModelLimits

# A pipe takes no more before somebody reads.
_MOST_BYTES = 60_000


class PlayedProcess(ModelProcess):
    """Answers each request with the next of `frames`, over pipes of the system's.

    There is no process behind it, since a fuzzer starts thousands a second; `tests/backends` has
    those that lie.
    """

    def __init__(self, frames: Sequence[bytes]) -> None:
        self._limits = ModelLimits(seconds=5.0)
        self._relayed = False
        self._ended = None
        back, self._answers = os.pipe()
        errors, closed = os.pipe()
        os.close(closed)
        to = os.open(os.devnull, os.O_WRONLY)
        self._open = [back, errors, to]
        self._waiting = [frame[:_MOST_BYTES] for frame in frames]
        self._pipes = _Playing(self, to, back, errors)

    def __exit__(self, *_: object) -> None:
        self._end()
        for descriptor in self._open:
            os.close(descriptor)

    def answer(self) -> None:
        """Send the next frame, or close the pipe after the last."""
        if not self._waiting:
            self._end()
        elif self._answers >= 0:
            # More than the pipe takes is lost, as if the process had ended.
            os.set_blocking(self._answers, False)
            with suppress(BlockingIOError):
                os.write(self._answers, self._waiting.pop(0))

    def _end(self) -> None:
        if self._answers >= 0:
            os.close(self._answers)
            self._answers = -1

    def _await_death(self) -> int | None:
        return 9


class _Playing(Pipes):
    def __init__(self, process: PlayedProcess, to: int, back: int, errors: int) -> None:
        super().__init__(to, back, errors, Deadline(5.0), lambda: None)
        self._process = process

    def send(self, data: bytes | memoryview) -> None:
        super().send(data)
        # Headers are bytes, and what follows them are arrays.
        if isinstance(data, bytes):
            self._process.answer()

    def receive(self, count: int) -> bytes:
        # Nothing more comes before the next question, and would be waited for.
        there = array("i", [0])
        fcntl.ioctl(self._back, termios.FIONREAD, there)
        if there[0] < count:
            self._process._end()
        return super().receive(count)
