"""Keeps a lease alive while its version is scanned."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context

from xray_gate.core.errors import LeaseLost
from xray_gate.runner.event_log import LogEvent, named
from xray_gate.runner.events import RenewalFailed, Renewed
from xray_gate.runner.parts import RunnerParts
from xray_gate.scan.work import Lease

_logger = logging.getLogger(__name__)


@contextmanager
def renewed(parts: RunnerParts, lease: Lease) -> Iterator[None]:
    """Renew the lease from a thread until the context ends."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(parts.renew_seconds):
            try:
                parts.queue.renew(lease)
            except LeaseLost as error:
                # The scan finds out when it records its result: that is refused.
                parts.tell(RenewalFailed(lease, error))
                return
            except Exception as error:
                _logger.exception(
                    "the lease on %s could not be renewed",
                    lease.registration.key,
                    extra=named(LogEvent.RENEWAL_FAILED),
                )
                parts.tell(RenewalFailed(lease, error))
            else:
                parts.tell(Renewed(lease))

    # What it logs is about the version, too.
    thread = threading.Thread(
        target=copy_context().run, args=(renew,), name="xray-gate-lease", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
