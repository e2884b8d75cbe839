"""What a runner did, and how the queue stands, as Prometheus reads it.

Names and units follow https://prometheus.io/docs/practices/naming/. Every label has a closed set of
values: names of models are none, since registrants choose them, and as many as they like.
"""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from xray_gate import __version__
from xray_gate.core.verdict import Enforcement, Verdict
from xray_gate.runner.events import (
    Claimed,
    FailureKind,
    Looked,
    LookFailed,
    Lost,
    PutBack,
    RunnerEvent,
    Settled,
)
from xray_gate.runner.present_state import PresentState, Stopwatch
from xray_gate.scan.queue_figures import QueueFigures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_MINUTE = 60.0
_BUCKETS = (
    *(1.0, 2.0, 5.0, 10.0, 20.0, 30.0),
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 20, 30, 45, 60)),
)


class RunnerMetrics:
    """An observer of one runner, with a registry of its own: two in a process do not mix.

    `figures` says how the queue stands, or None where that cannot be had: then it is not shown, as
    an old figure would look like a fresh one. `clock` is the time since the epoch, `timer` measures
    spans; both in seconds.
    """

    def __init__(
        self,
        figures: Callable[[], QueueFigures | None],
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._timer = timer
        self._registry = CollectorRegistry()
        self._scan = Stopwatch(timer)
        self._scan_seconds = Histogram(
            "xray_gate_scan_seconds",
            "Seconds from the claim of a version to its verdict.",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._verdicts = Counter(
            "xray_gate_verdicts",
            "Verdicts recorded by this runner, and whether the policy enforces them.",
            ("verdict", "enforcement"),
            registry=self._registry,
        )
        self._failures = Counter(
            "xray_gate_scan_failures",
            "Tries of this runner to scan a version that came to nothing, by the reason's kind.",
            ("reason",),
            registry=self._registry,
        )
        self._put_back = Counter(
            "xray_gate_put_back",
            "Versions that this runner put back into the queue for a later try.",
            registry=self._registry,
        )
        self._dead_letters = Counter(
            "xray_gate_dead_letters",
            "Versions that this runner gave up after the last try, until a person asks for them.",
            registry=self._registry,
        )
        self._lost = Counter(
            "xray_gate_leases_lost",
            "Leases that this runner lost: its results were dropped.",
            registry=self._registry,
        )
        self._queries = Counter(
            "xray_gate_queries",
            "Images that detectors asked models about, in scans with a verdict.",
            registry=self._registry,
        )
        self._last_look = Gauge(
            "xray_gate_last_look_timestamp_seconds",
            "When the registry was last asked for work and answered, since the epoch; 0 for never.",
            registry=self._registry,
        )
        self._start_at_zero()
        Info("xray_gate_build", "The release that this runner is.", registry=self._registry).info(
            {"version": __version__}
        )
        self._registry.register(PresentState(figures, self._scan))

    def _start_at_zero(self) -> None:
        # A series that appears with its first event shows no increase.
        for verdict in Verdict:
            for enforcement in Enforcement:
                self._verdicts.labels(verdict.value, enforcement.value)
        for kind in FailureKind:
            self._failures.labels(kind.value)

    def __call__(self, event: RunnerEvent) -> None:
        """Count an event."""
        match event:
            case Looked():
                self._last_look.set(self._clock())
                self._scan.stop()
            case LookFailed():
                self._scan.stop()
            case Claimed():
                self._scan.start()
            case Settled():
                self._settled(event)
            case PutBack(failure=kind):
                self._failures.labels(kind.value).inc()
                self._put_back.inc()
                self._scan.stop()
            case Lost():
                self._lost.inc()
                self._scan.stop()
            case _:
                pass

    def _settled(self, event: Settled) -> None:
        decision = event.decision
        self._verdicts.labels(decision.verdict.value, decision.enforcement.value).inc()
        if event.failure is not None:
            self._failures.labels(event.failure.value).inc()
        self._dead_letters.inc(int(event.is_dead_letter))
        if event.evidence is not None:
            self._queries.inc(sum(found.queries for found in event.evidence.detectors))
        self._scan_seconds.observe(self._scan.stop())

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format, version 0.0.4."""
        return generate_latest(self._registry)
