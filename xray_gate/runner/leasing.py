"""Keeps a lease alive while its version is scanned."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from xray_gate.core.errors import LeaseLost
from xray_gate.scan.work import Lease, WorkQueue

_logger = logging.getLogger(__name__)


@contextmanager
def renewed(queue: WorkQueue, lease: Lease, every_seconds: float) -> Iterator[None]:
    """Renew the lease from a thread until the context ends."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(every_seconds):
            try:
                queue.renew(lease)
            except LeaseLost:
                # The scan finds out when it records its result: that is refused.
                return
            except Exception:
                _logger.exception("the lease on %s could not be renewed", lease.registration.key)

    thread = threading.Thread(target=renew, name="xray-gate-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
