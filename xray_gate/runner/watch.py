"""Metrics and health of one runner, for those who look at it from outside."""

from contextlib import AbstractContextManager

from xray_gate.runner.endpoint import Address, serving
from xray_gate.runner.events import Observer
from xray_gate.runner.health import RunnerHealth
from xray_gate.runner.metrics import RunnerMetrics


class RunnerWatch:
    """What is to observe a runner, and the pages that show what it saw."""

    def __init__(self, metrics: RunnerMetrics, health: RunnerHealth) -> None:
        self._metrics = metrics
        self._health = health

    @property
    def observers(self) -> tuple[Observer, ...]:
        """To be told of everything that happens in the runner."""
        return (self._metrics, self._health)

    def serving(self, address: Address) -> AbstractContextManager[str]:
        """Answer at `address` until the context ends; see `runner.endpoint.serving`."""
        return serving(address, self._metrics.exposition, self._health.check)
