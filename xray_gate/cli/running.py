"""Runs a runner until it is told to stop, with its log and, where asked for, its pages."""

import logging
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack

import click

from xray_gate.cli.logs import LogFormat, say
from xray_gate.core.printable import printable
from xray_gate.runner.endpoint import Address
from xray_gate.runner.event_log import log_event
from xray_gate.runner.events import Observer
from xray_gate.runner.loop import Runner
from xray_gate.runner.temporary import own_temporary_files
from xray_gate.wiring import running


def work(
    settings: running.RunnerSettings, once: bool, log_format: LogFormat, address: Address | None
) -> None:
    """Scan what waits, `once` or until SIGTERM or SIGINT; answer at `address` meanwhile."""
    announce, observers = _told(log_format)
    with ExitStack() as stack:
        stack.enter_context(own_temporary_files())
        if address is not None:
            watch = running.new_watch(settings)
            observers += watch.observers
            shown = stack.enter_context(watch.serving(address))
            say(f"xray-gate runner: http://{shown}/metrics and /health", logging.INFO)
        worker = running.new_runner(settings, announce, observers)
        if once:
            worker.run_once()
        else:
            _until_stopped(worker)


def _told(log_format: LogFormat) -> tuple[Callable[[str], None], tuple[Observer, ...]]:
    """How progress comes to stderr: announced as it is, or logged by an observer."""
    if log_format == "json":
        return (lambda text: None), (log_event,)
    return (lambda text: click.echo(printable(text), err=True)), ()


def _until_stopped(worker: Runner) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    say("xray-gate runner: looking for versions to scan", logging.INFO)
    worker.run_forever(stop)
