"""Named steps of a run, in the process that runs, and what happens at one of them."""

import errno
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from tests.support.site import children


class Fault(StrEnum):
    """What happens at a step."""

    KILL = "kill -9"
    STOP = "stopped"
    NO_SPACE = "no space left"
    REFUSED = "connection refused"
    DATABASE_ERROR = "database error"
    CHILD_KILLED = "model's process killed"

    @property
    def error(self) -> Exception:
        """What is raised, for those that are no signal."""
        if self is Fault.NO_SPACE:
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self is Fault.REFUSED:
            return ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        return OperationalError("a statement", {}, OSError(errno.EIO, os.strerror(errno.EIO)))


class Instrument:
    """Writes down every step that is reached, and lets each of `faults` happen at its step.

    Each happens once, or `times` times. `folder` gets `trail`, and `children` with the processes
    that this one had started when it came to a fault.
    """

    def __init__(
        self, folder: Path, faults: Mapping[str, Fault], times: int = 1, awaited: str = ""
    ) -> None:
        self._folder, self._faults, self._awaited = folder, faults, awaited
        self._left = dict.fromkeys(faults, times)
        self._trail = (folder / "trail").open("a", buffering=1)
        self._lock = threading.Lock()
        self._here = threading.local()
        self.reached = threading.Event()
        self.phase = ""
        self._seen: Counter[str] = Counter()

    def reach(self, step: str) -> None:
        """This run is at `step` now."""
        with self._lock:
            self._trail.write(f"{step}\n")
            now = self.happens_at(step)
            if now:
                self._left[step] -= 1
        if step == self._awaited:
            self.reached.set()
        if now:
            self._happen(self._faults[step])

    def reach_file(self, what: str) -> int:
        """As `reach`, for the files of a phase: the second of a kind is a step. Its number."""
        with self._lock:
            self._seen[what] += 1
            number = self._seen[what]
        if number == 2:
            self.reach(f"{self.phase}: some files are {what}")
        return number

    def begin(self, step: str) -> None:
        """As `reach`; what is reached once may be reached again."""
        self._seen.clear()
        self.reach(step)

    def reach_once(self, step: str) -> None:
        """As `reach`, the first time in a phase."""
        with self._lock:
            self._seen[step] += 1
            first = self._seen[step] == 1
        if first:
            self.reach(step)

    @property
    def waits(self) -> bool:
        """Whether the scan must last until something else was reached."""
        return bool(self._awaited)

    def happens_at(self, step: str) -> bool:
        """Whether a fault will happen there."""
        return self._left.get(step, 0) > 0

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """What files are moved belongs to `phase`; its begin and its end are steps."""
        self.phase = phase
        self.begin(f"{phase}: begins")
        try:
            yield
        finally:
            self.phase = ""
        self.reach(f"{phase}: ends")

    @contextmanager
    def transaction(self, name: str) -> Iterator[None]:
        """The SQL statements of this thread belong to the transaction `name`."""
        self._here.name, self._here.seen = name, Counter()
        try:
            yield
        finally:
            self._here.name = None

    def watch(self, engine: Engine) -> None:
        """Let each statement of a transaction, its COMMIT and the moment after be steps."""
        commit = engine.dialect.do_commit

        def before(_: Any, __: Any, statement: str, *___: Any) -> None:
            what = _named(statement)
            if self._name is not None and what is not None:
                self._here.seen[what] += 1
                number = self._here.seen[what]
                again = "" if number == 1 else f" ({number})"
                self.reach(f"{self._name}: {what}{again}")

        def stepped(connection: Any) -> None:
            # Of a transaction that only reads there is nothing to lose.
            named = self._name is not None and any(
                not what.startswith("SELECT") for what in self._here.seen
            )
            if named:
                self.reach(f"{self._name}: COMMIT")
            commit(connection)
            if named:
                self.reach(f"{self._name}: committed")

        sqlalchemy.event.listen(engine, "before_cursor_execute", before)
        setattr(engine.dialect, "do_commit", stepped)  # noqa: B010

    @property
    def _name(self) -> str | None:
        return getattr(self._here, "name", None)

    def _happen(self, fault: Fault) -> None:
        mine = children(os.getpid())
        (self._folder / "children").write_text(" ".join(map(str, mine)))
        if fault is Fault.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        elif fault is Fault.STOP:
            os.kill(os.getpid(), signal.SIGSTOP)
        elif fault is Fault.CHILD_KILLED:
            for process in mine:
                os.kill(process, signal.SIGKILL)
        else:
            raise fault.error


_STATEMENT = re.compile(r"\s*(?:WITH \w+ AS\s*\()?(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b")
_TABLE = re.compile(r"\b(?:INTO|UPDATE|FROM)\s+(\w+)")


def _named(statement: str) -> str | None:
    """`INSERT xray_gate_scans`; None for what sets up a connection."""
    verb = _STATEMENT.match(statement)
    if verb is None:
        return None
    # Each database locks in its own way.
    if "pg_advisory_xact_lock" in statement or statement.startswith("UPDATE xray_gate_revocations"):
        return "LOCK revocations"
    table = _TABLE.search(statement)
    return None if table is None else f"{verb[1].split()[0]} {table[1].removeprefix('xray_gate_')}"
