"""The life of the process that holds a model: started bare, watched, and always ended."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from xray_gate.backends.interface import speaks_of_memory
from xray_gate.backends.pipes import Deadline, PeerGone, Pipes
from xray_gate.backends.protocol import (
    LENGTH_BYTES,
    TEXT_LIMIT,
    OutOfMemory,
    broken,
    decode_header,
    encode_header,
    header_length,
)
from xray_gate.core.errors import ModelProcessError
from xray_gate.core.printable import printable
from xray_gate.scan.ports import ModelLimits

_SECONDS_TO_DIE = 5.0
# A signal n ends what a shell runs with the status 128 + n.
_SHELL_SIGNALS = 128


class ModelProcess:
    """A process group of its own that speaks the protocol on its standard input and output.

    Use it as a context manager: the whole group is killed at the end, and at once when a deadline
    passes or the protocol is broken. `environment` is all that the process sees of ours. `relayed`:
    the command starts the process that answers, and tells of its end as a shell does.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        limits: ModelLimits,
        *,
        relayed: bool = False,
    ) -> None:
        self._limits = limits
        self._relayed = relayed
        self._ended: ModelProcessError | None = None
        deadline = Deadline(limits.seconds)
        self._process = subprocess.Popen(  # noqa: S603
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
            bufsize=0,
        )
        streams = (self._process.stdin, self._process.stdout, self._process.stderr)
        to, back, errors = (stream.fileno() for stream in streams if stream is not None)
        self._pipes = Pipes(to, back, errors, deadline, self._watch_memory)

    def __enter__(self) -> "ModelProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def tell(self, header: Mapping[str, Any], *arrays: bytes | memoryview) -> dict[str, Any]:
        """Send one request and return the header of its answer.

        Raises `ModelProcessError` when there is none, and the same again from then on.
        """
        if self._ended is not None:
            raise ModelProcessError(str(self._ended))
        try:
            if self._pipes.pending():
                broken("it sent more than it was asked for")
            self._pipes.send(encode_header(header))
            for array in arrays:
                self._pipes.send(array)
            return decode_header(self._receive(header_length(self._receive(LENGTH_BYTES))))
        except (ModelProcessError, TimeoutError, PeerGone) as error:
            self._fail(error)

    def take(self, count: int) -> bytes:
        """The `count` bytes that follow the header."""
        try:
            return self._receive(count)
        except (ModelProcessError, TimeoutError, PeerGone) as error:
            self._fail(error)

    def refuse(self, error: ModelProcessError) -> NoReturn:
        """End the process because of what it answered, and raise `error`."""
        self._fail(error)

    def _receive(self, count: int) -> bytes:
        return self._pipes.receive(count)

    def _fail(self, error: ModelProcessError | TimeoutError | PeerGone) -> NoReturn:
        """Kill the group and raise what happened; nothing more is asked of it."""
        self._ended = self._what_happened(error)
        self._end()
        raise self._ended from (error if self._ended is not error else error.__cause__)

    def _what_happened(self, error: Exception) -> ModelProcessError:
        if isinstance(error, OutOfMemory):
            return self._too_large(str(error))
        if isinstance(error, ModelProcessError):
            return error
        return self._too_slow() if isinstance(error, TimeoutError) else self._death()

    def _too_slow(self) -> ModelProcessError:
        return ModelProcessError(
            f"the model was not done within {self._limits.seconds:g} seconds; raise "
            "`limits.seconds` in the policy, or scan on a faster device"
        )

    def _too_large(self, why: str) -> ModelProcessError:
        return ModelProcessError(f"the model ran out of memory ({why}); {self._more_memory}")

    def _death(self) -> ModelProcessError:
        status = self._await_death()
        # The alarm that the process sets itself goes off where nobody was waiting for it.
        if status == -signal.SIGALRM:
            return self._too_slow()
        words = printable(self._pipes.last_words())[-TEXT_LIMIT:]
        if speaks_of_memory(words):
            return self._too_large(words)
        said = f"; its last words: {words}" if words else ""
        if status is None:
            how = "closed its pipes"
        elif status < 0:
            how = f"was killed by {_signal_name(-status)}"
        else:
            how = f"ended with exit status {status}"
        return ModelProcessError(
            f"the model's process {how} before it answered{said}; load the model outside the scan "
            f"to see why, and if it needs more memory, {self._more_memory}"
        )

    @property
    def _more_memory(self) -> str:
        return f"raise `limits.memory_mb` in the policy (now {self._limits.memory_bytes >> 20})"

    def _await_death(self) -> int | None:
        """How the process ended (a signal is negative), leaving its number taken.

        The group is killed by that number, which must not have been given to another by then.
        """
        end = time.monotonic() + _SECONDS_TO_DIE
        while time.monotonic() < end:
            found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is not None:
                exited = found.si_code == os.CLD_EXITED
                return self._status(int(found.si_status) if exited else -int(found.si_status))
            time.sleep(0.01)
        return None

    def _status(self, status: int) -> int:
        return _SHELL_SIGNALS - status if self._relayed and status > _SHELL_SIGNALS else status

    def _end(self) -> None:
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _watch_memory(self) -> None:
        """Resident memory, because CUDA does not work with a limit on the address space."""
        pages = sum(map(_resident_pages, _tree(self._process.pid)))
        if pages * os.sysconf("SC_PAGE_SIZE") > self._limits.memory_bytes:
            raise self._too_large("its resident memory exceeds the limit")


def _tree(root: int) -> Iterator[int]:
    """The process `root` and all that it and its children have started and that still run."""
    yield root
    for told in Path(f"/proc/{root}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in told.read_text().split():
                yield from _tree(int(child))


def _resident_pages(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
