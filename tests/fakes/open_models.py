"""Open models over fake oracles, and a `ModelOpener` that hands them out without any process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from xray_gate.probing.batches import Batch, FloatArray, LabelArray
from xray_gate.probing.oracle import HardLabelOracle, as_soft, is_soft
from xray_gate.scan.ports import ModelRequest, OpenModel


class FakeOpenModel:
    """What an oracle answers, as an open model of a made-up format."""

    format = "onnx"
    architecture = "sha256:fake"

    def __init__(self, oracle: HardLabelOracle) -> None:
        self._oracle = oracle

    @property
    def classes(self) -> int:
        return self._oracle.classes

    @property
    def environment(self) -> dict[str, str]:
        return {"runtime": "fake"}

    @property
    def soft(self) -> bool:
        return is_soft(self._oracle)

    def labels(self, batch: Batch) -> LabelArray:
        return self._oracle.labels(batch)

    def probabilities(self, batch: Batch) -> FloatArray:
        return as_soft(self._oracle).probabilities(batch)


class FakeOpener:
    """Opens a new oracle each time. `requests` keeps what was asked; `closed` counts the ends."""

    def __init__(
        self, new_oracle: Callable[[], HardLabelOracle], error: Exception | None = None
    ) -> None:
        """`error` is raised instead of opening."""
        self._new_oracle = new_oracle
        self._error = error
        self.requests: list[ModelRequest] = []
        self.closed = 0

    @contextmanager
    def __call__(self, request: ModelRequest) -> Iterator[OpenModel]:
        self.requests.append(request)
        if self._error is not None:
            raise self._error
        try:
            yield FakeOpenModel(self._new_oracle())
        finally:
            self.closed += 1
