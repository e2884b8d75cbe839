"""Opens a model in a process of its own: the adapter behind `scan.ports.ModelOpener`."""

import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

from xray_gate.backends.fit import check_channels
from xray_gate.backends.formats import find_source
from xray_gate.backends.least_isolation import (
    check_isolation,
    readable_part,
    require_accepted,
)
from xray_gate.backends.process import ModelProcess
from xray_gate.backends.protocol import (
    Answer,
    Opened,
    parse_count,
    parse_labels,
    parse_opened,
    parse_probabilities,
    parse_slopes,
)
from xray_gate.backends.questions import messages
from xray_gate.backends.sandbox.choice import strongest
from xray_gate.backends.sandbox.environment import bare_environment
from xray_gate.backends.sandbox.launch import Launch
from xray_gate.core.errors import ModelAnswerError, ModelProcessError
from xray_gate.core.isolation import ISOLATIONS, Isolation
from xray_gate.core.model_format import Format
from xray_gate.probing.batches import Batch, FloatArray, LabelArray
from xray_gate.probing.oracle import Slopes, raise_labels_only
from xray_gate.scan.ports import Device, ModelRequest, OpenModel

Part = TypeVar("Part", LabelArray, FloatArray, Slopes)

# Of the probabilities that one call returns.
_MOST_BYTES = 2**30


@contextmanager
def open_model(
    request: ModelRequest, among: Collection[Isolation] = ISOLATIONS
) -> Iterator[OpenModel]:
    """Open the model and see that it fits the probes.

    Its process ends with the `with` block, and with the thread that came into the block. It is
    shut in the strongest isolation of `among` that works here. Raises `InputError` (among them
    `ShapeMismatch`) when the file cannot be read or does not fit the probes, and `ScanError` when
    the request does not accept the model's format, or asks for a stronger isolation for it than
    there is, when the model does not answer as a classifier, and when its process breaks a limit.
    """
    source = find_source(request.path)
    require_accepted(source, request.formats)
    check_channels(request.preprocessing, request.input_shape[0])
    isolation = strongest(among)
    check_isolation(isolation, source, request.isolation)
    threads = available_threads()
    cuda = _may_use_cuda(request.device)
    with tempfile.TemporaryDirectory(prefix="xray-gate-", ignore_cleanup_errors=True) as home:
        launch = Launch(
            isolation,
            Path(home),
            request.limits.seconds,
            memory_bytes=0 if cuda else request.limits.memory_bytes,
            model=readable_part(request.path, source),
            cuda=cuda,
            environment=child_environment(Path(home), threads, source.format),
        )
        command = launch.command("xray_gate.backends.child")
        with ModelProcess(
            command, launch.variables(), Path(home), request.limits, relayed=launch.relayed
        ) as process:
            question = {
                "path": str(source.path),
                "format": source.format,
                "preprocessing": request.preprocessing.to_json(),
                "outputs": request.outputs,
                "classes": request.classes,
                "input_shape": request.input_shape,
                "device": request.device,
                "batch_size": request.batch_size,
                "threads": threads,
            }
            yield IsolatedModel(process, source.format, request, question, isolation)


class IsolatedModel:
    """Sends questions to the process and believes of its answers only what can be true."""

    def __init__(
        self,
        process: ModelProcess,
        model_format: Format,
        request: ModelRequest,
        question: dict[str, object],
        isolation: Isolation = "process",
    ) -> None:
        self._process = process
        self._isolation = isolation
        self._format = model_format
        self._shape = request.input_shape
        self._opened = self._open(question, request)

    @property
    def classes(self) -> int:
        """How many labels the model knows."""
        return self._opened.classes

    @property
    def soft(self) -> bool:
        """Whether the model gives scores, and not only labels."""
        return self._opened.soft

    @property
    def format(self) -> str:
        """`onnx`, `torchscript`, `pt2`, `mlflow-pytorch` or `mlflow-pyfunc`."""
        return self._format

    @property
    def architecture(self) -> str | None:
        """A hash over layer kinds and weight shapes where the format shows them."""
        return self._opened.architecture

    @property
    def environment(self) -> dict[str, str]:
        """Versions and device as the model's process reports them, and the isolation it is in."""
        return self._opened.environment | {"isolation": self._isolation}

    def labels(self, batch: Batch) -> LabelArray:
        """One label for each question, int64 (n,), in [0, classes).

        Raises `ShapeMismatch` when the questions have another shape than the request said,
        `ModelAnswerError` for answers that are not a classifier's and `ModelProcessError` when the
        process died, broke a limit or the protocol.
        """
        found = np.empty(len(batch), dtype=np.int64)
        for start, part in self._answers(batch, "labels", 8, parse_labels):
            found[start : start + len(part)] = part
        return found

    def probabilities(self, batch: Batch) -> FloatArray:
        """Float32 (n, classes), each row in [0, 1] with the sum 1; errors as for `labels`.

        Raises `ModelAnswerError` where the model gives labels only, and where n * classes is too
        large to be held.
        """
        if not self.soft:
            raise_labels_only()
        _check_size(len(batch), self.classes)
        found = np.empty((len(batch), self.classes), dtype=np.float32)
        each = 4 * self.classes
        for start, part in self._answers(batch, "probabilities", each, parse_probabilities):
            found[start : start + len(part)] = part
        return found

    def slopes(self, batch: Batch, label: int) -> Slopes:
        """See `GradientOracle.slopes`; n * (classes + pixels) must not be too large to be held."""
        slopes = int(np.prod(self._shape))
        _check_size(len(batch), self.classes, slopes)
        probabilities = np.empty((len(batch), self.classes), dtype=np.float32)
        log_odds = np.empty((len(batch), *self._shape), dtype=np.float32)

        each = 4 * (self.classes + slopes)

        def parse(payload: bytes, classes: int) -> Slopes:
            return parse_slopes(payload, classes, self._shape)

        for start, part in self._answers(batch, "slopes", each, parse, label=label):
            rows = slice(start, start + len(part.probabilities))
            probabilities[rows], log_odds[rows] = part.probabilities, part.log_odds
        return Slopes(probabilities, log_odds)

    def _open(self, question: dict[str, object], request: ModelRequest) -> Opened:
        ask: dict[str, object] = {"ask": "open", "model": question}
        sample = request.sample
        arrays = []
        # Half precision is for GPUs.
        if sample is not None and len(sample) and _may_use_cuda(request.device):
            ask["sample"] = len(sample)
            arrays.append(np.ascontiguousarray(sample, dtype="<f4").data)
        try:
            return parse_opened(self._process.tell(ask, *arrays), request.classes)
        except ModelProcessError as error:
            self._process.refuse(error)

    def _answers(
        self,
        batch: Batch,
        answer: Answer,
        each: int,
        parse: Callable[[bytes, int], Part],
        **details: object,
    ) -> Iterator[tuple[int, Part]]:
        """Where each message's answer begins, and what `parse` makes of it, `each` bytes a row."""
        start = 0
        for message in messages(batch, self._shape, self._opened.batch_size, each):
            try:
                header = {**message.header, "answer": answer, **details}
                told = self._process.tell(header, *message.arrays)
                parse_count(told, answer, message.count)
                part = parse(self._process.take(each * message.count), self.classes)
            except ModelProcessError as error:
                self._process.refuse(error)
            yield start, part
            start += message.count


def _check_size(questions: int, classes: int, slopes: int = 0) -> None:
    """The process chooses the number of classes; it must not choose how much memory we take."""
    size = 4 * questions * (classes + slopes)
    if size > _MOST_BYTES:
        raise ModelAnswerError(
            f"the answers of {classes} classes for {questions} questions take {size >> 20} MiB, "
            f"and at most {_MOST_BYTES >> 20} are accepted at once; ask fewer questions at a time, "
            "and see that the model has so many classes"
        )


def available_threads() -> int:
    """The CPU cores that this process may use, or fewer where OMP_NUM_THREADS says so."""
    cores = len(os.sched_getaffinity(0))
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(wanted)) if wanted.isdecimal() and int(wanted) > 0 else cores


def child_environment(home: Path, threads: int, model_format: Format) -> dict[str, str]:
    """All that the model's process sees of our environment."""
    # OpenBLAS makes the points of a plane, and its waiting threads would take the cores from the
    # runtime that answers (half the speed was measured); only pyfunc models may compute with it.
    return bare_environment(home, threads, threads if model_format == "mlflow-pyfunc" else 1)


def _may_use_cuda(device: Device) -> bool:
    """Whether the address space must stay unlimited, because CUDA reserves more than there is."""
    if device == "cpu" or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return device == "cuda" or Path("/dev/nvidiactl").exists()
