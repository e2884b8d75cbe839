"""The runner: claims a waiting version, settles it, and again.

Nothing is lost when a runner dies: its lease runs out, and another one scans the version again.
"""

import logging
import threading

from xray_gate.core.errors import LeaseLost
from xray_gate.runner.event_log import LogEvent, about, named
from xray_gate.runner.events import Claimed, Looked, LookFailed, Lost
from xray_gate.runner.leasing import renewed
from xray_gate.runner.parts import RunnerParts
from xray_gate.runner.settling import Settling
from xray_gate.scan.work import Lease

_logger = logging.getLogger(__name__)


class Runner:
    """Works through the queue, one version at a time."""

    def __init__(self, parts: RunnerParts) -> None:
        self._parts = parts
        self._settling = Settling(parts)

    def run_once(self, stop: threading.Event | None = None) -> int:
        """Scan what waits now, or until `stop` is set; how many versions were settled.

        What fails for a reason that may pass waits for a later look.
        """
        settled = 0
        self._parts.queue.heartbeat()
        while not (stop and stop.is_set()) and (lease := self._claim()) is not None:
            settled += self._settle(lease)
            self._parts.queue.heartbeat()
        return settled

    def run_forever(self, stop: threading.Event, pause_seconds: float = 1.0) -> None:
        """Look for work until `stop` is set; a failing look is logged and tried again."""
        while not stop.is_set():
            try:
                self.run_once(stop)
            except Exception as error:
                # The database may be gone for a moment. Versions stay pending until it is back.
                _logger.exception(
                    "the runner could not look for work; it tries again",
                    extra=named(LogEvent.LOOK_FAILED),
                )
                self._parts.tell(LookFailed(error))
                stop.wait(10 * pause_seconds)
            stop.wait(pause_seconds)

    def _claim(self) -> Lease | None:
        lease = self._parts.queue.claim()
        self._parts.tell(Looked(idle=lease is None))
        return lease

    def _settle(self, lease: Lease) -> bool:
        parts, key = self._parts, lease.registration.key
        with about(lease):
            parts.announce(f"{key}: scanning")
            parts.tell(Claimed(lease))
            try:
                with renewed(parts, lease):
                    outcome = self._settling(lease)
            except LeaseLost as error:
                parts.announce(str(error))
                parts.tell(Lost(lease))
                return False
            except Exception:
                _logger.error(
                    "%s: nothing could be recorded; it is scanned again after the lease",
                    key,
                    extra=named(LogEvent.NOT_RECORDED),
                )
                raise
            parts.announce(f"{key}: {outcome.text}")
            parts.tell(outcome.event)
            return outcome.settled
