"""The gauges that are asked for when Prometheus looks, instead of being counted before."""

import logging
import threading
import time
from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from xray_gate.scan.queue_figures import QueueFigures

_logger = logging.getLogger(__name__)


class Stopwatch:
    """How long the version that the runner holds now has been with it."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._since: float | None = None

    def start(self) -> None:
        """A version was claimed."""
        self._since = self._timer()

    def stop(self) -> float:
        """It is out of the runner's hands; how many seconds it was there."""
        seconds, self._since = self.seconds(), None
        return seconds

    def seconds(self) -> float:
        """How long the runner has held it; 0 where it holds none."""
        since = self._since
        return 0.0 if since is None else self._timer() - since


class PresentState(Collector):
    """How long the scan has taken, and how the queue stands; see `RunnerMetrics`."""

    def __init__(self, figures: Callable[[], QueueFigures | None], scan: Stopwatch) -> None:
        self._figures = figures
        self._scan = scan

    def collect(self) -> Iterator[Metric]:
        """The gauges of this moment."""
        yield GaugeMetricFamily(
            "xray_gate_current_scan_seconds",
            "How long this runner has held the version that it scans; 0 where it holds none.",
            value=self._scan.seconds(),
        )
        figures = self._figures()
        yield GaugeMetricFamily(
            "xray_gate_registry_up",
            "1 where the registry's database said how the queue stands, else 0.",
            value=float(figures is not None),
        )
        if figures is None:
            return
        length = GaugeMetricFamily(
            "xray_gate_queue_length",
            "Versions without a verdict, of all runners: waiting, leased, or waiting for a retry.",
            labels=("state",),
        )
        length.add_metric(["waiting"], figures.waiting)
        length.add_metric(["leased"], figures.leased)
        length.add_metric(["retrying"], figures.retrying)
        yield length
        yield GaugeMetricFamily(
            "xray_gate_oldest_waiting_seconds",
            "Age of the oldest version without a verdict; 0 where there is none.",
            value=figures.oldest_seconds,
        )


class RecentFigures:
    """Asks how the queue stands at most every `every` seconds, and never waits long for it.

    A database that hangs must not hang whoever looks: the question goes on in a thread of its own,
    of which there is one at most.
    """

    def __init__(
        self,
        ask: Callable[[], QueueFigures],
        every: float = 3.0,
        patience: float = 3.0,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._every = every
        self._patience = patience
        self._timer = timer
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        self._asked_at: float | None = None
        self._found: QueueFigures | None = None

    def __call__(self) -> QueueFigures | None:
        """The figures, `every` seconds old at most; None where they could not be had in time."""
        with self._lock:
            stale = self._asked_at is None or self._timer() - self._asked_at > self._every
            if stale and self._asking is None:
                thread = threading.Thread(
                    target=self._work, name="xray-gate-queue-figures", daemon=True
                )
                thread.start()
                self._asking = thread
            asking = self._asking
        if asking is not None:
            asking.join(self._patience)
        with self._lock:
            return self._found if self._asking is None else None

    def _work(self) -> None:
        found: QueueFigures | None = None
        try:
            found = self._ask()
        except Exception:
            _logger.debug("the queue's figures could not be had", exc_info=True)
        with self._lock:
            self._found, self._asked_at, self._asking = found, self._timer(), None
