"""Runners as processes of their own: the real one, of wiring's parts, with steps to fail at."""

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, cast

from tests.faults.instrument import Fault, Instrument
from tests.faults.stepping import step_files, step_reports, step_the_scan
from xray_gate.core.verdict import Decision
from xray_gate.ledger.ledger import Ledger
from xray_gate.policy.files import Policy
from xray_gate.registry.snapshots import DEFAULT_PLACE
from xray_gate.registry.work import RegistryWork
from xray_gate.runner.parts import Retries, RunnerParts
from xray_gate.runner.temporary import own_temporary_files
from xray_gate.scan.work import ScanOutput, VersionKey
from xray_gate.wiring import running, stores

HOUR = 3600.0
SIZE, PLANES = 20, 4
"""Of the scans that the site's policy asks for."""
_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Order:
    """What a runner is to do, and what happens to it; `folder` gets its log and trail.

    It looks `looks` times, each an hour later than the one before, the first `hours` from now. Its
    scan lasts until the step `awaited` was reached, if one is.
    `jumps`: by how many seconds its clock is put forward at a step.
    """

    folder: Path
    temporary: Path
    registry_uri: str
    tracking_uri: str
    key: Path | None = None
    snapshots: str = DEFAULT_PLACE
    faults: dict[str, Fault] = field(default_factory=dict)
    times: int = 1
    awaited: str = ""
    hours: float = 0.0
    looks: int = 1
    lease_seconds: float = 60.0
    renew_seconds: float | None = None
    forever: bool = False
    jumps: dict[str, float] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


def run(order: Order, start: Barrier | None = None, *changes: Callable[[Order], object]) -> None:
    """The whole life of a runner's process; `changes` are made to it first."""
    set_up(order)
    for change in changes:
        change(order)
    # As the command does.
    with own_temporary_files():
        _run(order, start)


def _run(order: Order, start: Barrier | None) -> None:
    instrument = Instrument(order.folder, order.faults, order.times, order.awaited)
    clock = Clock(order, instrument)
    runner = _stepped(order, instrument, clock)
    if start is not None:
        start.wait(_WAIT_SECONDS)
    if order.forever:
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        runner.run_forever(stop, pause_seconds=0.05)
        return
    for _ in range(order.looks):
        runner.run_once()
        clock.ahead += HOUR


def set_up(order: Order) -> None:
    """Output and temporary files go to the order's folder."""
    order.folder.mkdir(parents=True, exist_ok=True)
    log = os.open(order.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    order.temporary.mkdir(exist_ok=True)
    os.environ.update(order.environment, TMPDIR=str(order.temporary))
    tempfile.tempdir = None


class Clock:
    """Tells the time, and is put forward or back at steps."""

    def __init__(self, order: Order, instrument: Instrument) -> None:
        self.ahead = order.hours * HOUR
        self._jumps = dict(order.jumps)
        self._instrument = instrument

    def __call__(self) -> float:
        return time.time() + self.ahead

    def jump(self, step: str) -> None:
        self.ahead += self._jumps.pop(step, 0.0)


class SteppedQueue:
    """A queue whose transactions are steps, each under the name of its method."""

    def __init__(self, queue: RegistryWork, instrument: Instrument, clock: Clock) -> None:
        self._queue, self._instrument, self._clock = queue, instrument, clock

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._queue, name)

        def stepped(*arguments: Any, **named: Any) -> Any:
            self._clock.jump(name)
            with self._instrument.transaction(name):
                return method(*arguments, **named)

        return stepped


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _stepped(order: Order, instrument: Instrument, clock: Clock) -> Any:
    """The runner that `wiring` makes, with its parts taken apart and put together again."""
    step_the_scan(instrument)
    step_files(instrument)
    step_reports(instrument)
    signer = None if order.key is None else running.verdict_signer(order.key, None)
    settings = running.RunnerSettings(
        order.registry_uri,
        order.tracking_uri,
        device="cpu",
        lease_seconds=order.lease_seconds,
        snapshots=order.snapshots,
        sign=signer,
        retries=Retries(short_pauses=(0.05, 0.1)),
    )
    runner = running.new_runner(settings, announce=_say)
    parts: RunnerParts = runner._parts
    engine = stores.registry_engine(order.registry_uri)
    instrument.watch(engine)
    queue = RegistryWork(
        stores.plain_store(order.registry_uri).ManagedSessionMaker,
        Ledger(),
        f"runner-{os.getpid()}",
        order.lease_seconds,
        clock,
    )
    renew = order.renew_seconds or order.lease_seconds / 4
    changes: dict[str, Any] = {
        "queue": cast(Any, SteppedQueue(queue, instrument, clock)),
        "renew_seconds": renew,
        **_ports(parts, instrument),
    }
    return type(runner)(replace(parts, **changes))


def _ports(parts: RunnerParts, instrument: Instrument) -> dict[str, Any]:
    @contextmanager
    def fetch(location: str) -> Iterator[Path]:
        with ExitStack() as files:
            with instrument.during("fetch"):
                path = files.enter_context(parts.fetch(location))
            yield path

    def keep(path: Path, digest: str) -> str:
        with instrument.during("keep"):
            return parts.keep(path, digest)

    def sign(output: ScanOutput, decision: Decision, policy: Policy) -> str | None:
        assert parts.sign is not None
        with instrument.during("sign"):
            return parts.sign(output, decision, policy)

    def publish(key: VersionKey, *more: Any) -> str:
        with instrument.during("publish"):
            return parts.publish(key, *more)

    return {
        "fetch": fetch,
        "keep": keep,
        "sign": None if parts.sign is None else sign,
        "publish": publish,
    }
