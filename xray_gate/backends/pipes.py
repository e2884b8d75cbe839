"""Pipes to a process that may hang, flood or die: no wait outlasts the deadline."""

import contextlib
import os
import select
import time
from collections.abc import Callable

_TICK_SECONDS = 0.2
_CHUNK = 1 << 20
_TAIL_BYTES = 4096


class Deadline:
    """`seconds` of wall time from now on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left, negative when it has passed."""
        return self._end - time.monotonic()


class PeerGone(Exception):
    """The process closed its end."""


class Pipes:
    """Both directions, and the standard error of the process, of which the end is kept.

    `watch` is called several times a second during every wait; what it raises passes through.
    The three file descriptors stay the caller's to close. `send` and `receive` raise TimeoutError
    at the deadline, and `PeerGone`.
    """

    def __init__(
        self, to: int, back: int, errors: int, deadline: Deadline, watch: Callable[[], None]
    ) -> None:
        self._to, self._back, self._errors = to, back, errors
        self._deadline = deadline
        self._watch = watch
        self._tail = b""
        self._errors_open = True
        for descriptor in (to, back, errors):
            os.set_blocking(descriptor, False)

    def send(self, data: bytes | memoryview) -> None:
        """Write all of `data`."""
        rest = memoryview(data).cast("B")
        while rest:
            self._wait(self._to, select.POLLOUT)
            with contextlib.suppress(BlockingIOError):
                try:
                    rest = rest[os.write(self._to, rest[:_CHUNK]) :]
                except BrokenPipeError as error:
                    raise PeerGone from error

    def receive(self, count: int) -> bytes:
        """Read exactly `count` bytes."""
        parts = bytearray()
        while len(parts) < count:
            self._wait(self._back, select.POLLIN)
            with contextlib.suppress(BlockingIOError):
                part = os.read(self._back, min(count - len(parts), _CHUNK))
                if not part:
                    raise PeerGone
                parts += part
        return bytes(parts)

    def pending(self) -> bool:
        """Whether there is something to receive already."""
        poller = select.poll()
        poller.register(self._back, select.POLLIN)
        return any(event & select.POLLIN for _, event in poller.poll(0))

    def last_words(self) -> str:
        """The end of what the process wrote to standard error."""
        # A bound on the rounds: something else may still be writing.
        for _ in range(64):
            if not self._errors_open or not self._read_errors():
                break
        return self._tail.decode("utf-8", errors="replace")

    def _wait(self, descriptor: int, event: int) -> None:
        """Return when `descriptor` is ready, reading standard error meanwhile."""
        poller = select.poll()
        poller.register(descriptor, event)
        if self._errors_open:
            poller.register(self._errors, select.POLLIN)
        next_look = time.monotonic() + _TICK_SECONDS
        while True:
            left = self._deadline.left
            if left <= 0:
                raise TimeoutError
            ready = {fd for fd, _ in poller.poll(min(left, _TICK_SECONDS) * 1000 + 1)}
            if self._errors in ready:
                self._read_errors()
                if not self._errors_open:
                    poller.unregister(self._errors)
            if descriptor in ready:
                return
            if time.monotonic() >= next_look:
                self._watch()
                next_look = time.monotonic() + _TICK_SECONDS

    def _read_errors(self) -> bool:
        """Take what standard error holds now; whether there was something."""
        try:
            part = os.read(self._errors, _CHUNK)
        except BlockingIOError:
            return False
        self._errors_open = bool(part)
        self._tail = (self._tail + part)[-_TAIL_BYTES:]
        return bool(part)
