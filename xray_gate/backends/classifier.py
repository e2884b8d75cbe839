"""A loaded model as a classifier: batches in pixel space in; labels, probabilities, slopes out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from xray_gate.backends.batch_size import fitting_batch_size
from xray_gate.backends.fit import check_fit, widens
from xray_gate.backends.half_precision import settle_precision
from xray_gate.backends.interface import Differentiable, Runner, clipped, speaks_of_memory
from xray_gate.backends.lanes import in_batches
from xray_gate.backends.outputs import Head, find_head
from xray_gate.core.errors import ModelAnswerError, NoGradients, ShapeMismatch
from xray_gate.probing.batches import (
    Batch,
    FloatArray,
    JoinedPlanes,
    LabelArray,
    PlanePoints,
)
from xray_gate.probing.oracle import LABELS_ONLY, Slopes
from xray_gate.probing.preprocessing import Layout, Preprocessing
from xray_gate.scan.ports import OutputKind

Array = npt.NDArray[Any]

# What a model keeps of each layer to go back through it takes more memory than an answer.
_SLOPES_AT_A_TIME = 64


@dataclass(frozen=True)
class Asking:
    """How a model is asked; the fields are those of `ModelRequest`."""

    preprocessing: Preprocessing
    outputs: OutputKind
    classes: int
    input_shape: tuple[int, int, int]
    batch_size: int


class Classifier:
    """Answers with labels, and with probabilities where the model gives scores.

    Opening it asks the model once, to see that it fits the probes. `sample` are some of the
    images, float32 (n, channels, height, width), to see whether half precision would do.

    Raises `ShapeMismatch` when the probes do not fit the model, `ModelAnswerError` when it does
    not answer as a classifier, and MemoryError.
    """

    def __init__(self, runner: Runner, asking: Asking, sample: FloatArray | None = None) -> None:
        self._runner = runner
        declared = runner.declared
        settled = asking.preprocessing.settled(
            declared.shape, declared.dtype, asking.input_shape[0]
        )
        self._asking = replace(asking, preprocessing=settled)
        check_fit(runner.declared, self._prepare(_ramp(1, asking.input_shape)), self._layout)
        self._fixed_batch, self._head = self._try_out()
        self.batch_size = self._fixed_batch or self._fitting_batch_size()
        self._differentiable: Differentiable | None = None
        # Probabilities and slopes are compared with each other, and stay in full precision.
        self._for_labels, self._precision = settle_precision(
            runner, self._labels_by, self.batch_size, sample
        )

    @property
    def classes(self) -> int:
        """Columns of the model's scores, or the probes' number of classes for given labels."""
        return self._head.classes

    @property
    def soft(self) -> bool:
        """Whether the model gives scores, and not only labels."""
        return self._head.reads == "scores"

    def labels(self, batch: Batch) -> LabelArray:
        """The labels of all questions, int64 (n,)."""
        return self._labels_by(self._for_labels, batch, self.batch_size)

    def probabilities(self, batch: Batch) -> FloatArray:
        """Float32 (n, classes), each row in [0, 1] with the sum 1; see `Head.probabilities`."""
        found = np.empty((len(batch), self.classes), dtype=np.float32)
        self._fill(found, batch, self._head.probabilities, self._runner, self.batch_size)
        return found

    def slopes(self, batch: Batch, label: int) -> Slopes:
        """See `GradientOracle.slopes`; raises `NoGradients` where the model shows none."""
        if not self.soft:
            raise NoGradients(LABELS_ONLY)
        if self._asking.preprocessing.dtype == "uint8":
            raise NoGradients(
                "the model takes bytes, and rounding has no gradients; set `patches_by: queries`"
            )
        if self._differentiable is None:
            self._differentiable = self._runner.differentiable()
        found = Slopes(
            np.empty((len(batch), self.classes), dtype=np.float32),
            np.empty((len(batch), *self._asking.input_shape), dtype=np.float32),
        )
        step = self._fixed_batch or min(self.batch_size, _SLOPES_AT_A_TIME)
        for start in range(0, len(batch), step):
            inputs = self._inputs(batch, start, min(start + step, len(batch)))
            self._fill_slopes(found, start, inputs, label)
        return found

    def _fill_slopes(self, found: Slopes, start: int, inputs: Array, label: int) -> None:
        assert self._differentiable is not None
        rows = slice(start, start + len(inputs))
        padded = self._padded(inputs)
        raw, slopes = self._differentiable.slopes(padded, label, self._head.normalised)
        try:
            probabilities = self._head.probabilities(raw, len(padded))
        except ModelAnswerError as error:
            # The model itself answers; it is the form with gradients that does not.
            raise NoGradients(
                f"the form of the model that gives gradients does not answer as it does ({error})"
            ) from error
        found.probabilities[rows] = probabilities[: len(inputs)]
        found.log_odds[rows] = self._asking.preprocessing.pull_back(slopes[: len(inputs)])

    def _labels_by(self, runner: Runner, batch: Batch, batch_size: int) -> LabelArray:
        labels = np.empty(len(batch), dtype=np.int64)
        self._fill(labels, batch, self._head.labels, runner, batch_size)
        return labels

    def _fill(
        self,
        found: Array,
        batch: Batch,
        read: Callable[[Array, int], Array],
        runner: Runner,
        batch_size: int,
    ) -> None:
        """Ask about all of `batch`, and put what `read` makes of each raw output into `found`."""
        step = self._fixed_batch or batch_size

        def answer(start: int, inputs: Any) -> None:
            answers = read(runner.run(inputs), len(inputs))
            rows = found[start : start + step]
            rows[:] = answers[: len(rows)]

        in_batches(len(batch), step, runner.lanes, self._maker(batch), answer)

    def _maker(self, batch: Batch) -> Callable[[int, int], Any]:
        """What makes the inputs for questions from one number up to another.

        A fixed batch is full all the same: the last question is repeated.
        """
        device = self._runner.tensor_device
        if device is None or not isinstance(batch, PlanePoints | JoinedPlanes):
            return lambda start, stop: self._padded(self._inputs(batch, start, stop))
        from xray_gate.backends.device_points import DevicePoints

        dtype = self._runner.declared.dtype
        points = DevicePoints(batch, self._asking.preprocessing, dtype, device)
        fixed = self._fixed_batch
        return lambda start, stop: points.inputs(start, start + fixed if fixed else stop)

    @property
    def facts(self) -> dict[str, str]:
        """How the model is asked: layout and type, as in `nhwc uint8`, images and precision."""
        preprocessing = self._asking.preprocessing
        facts = {
            "input": f"{preprocessing.layout} {preprocessing.dtype}",
            "batch": str(self.batch_size),
        }
        return facts if self._precision is None else {**facts, "precision": self._precision}

    @property
    def _layout(self) -> Layout:
        return self._asking.preprocessing.layout

    def _inputs(self, batch: Batch, start: int, stop: int) -> Array:
        return self._prepare(batch.images(start, stop))

    def _prepare(self, images: FloatArray) -> Array:
        inputs = self._asking.preprocessing.apply(images)
        dtype = self._runner.declared.dtype
        wanted = inputs.dtype if dtype is None else np.dtype(dtype)
        # Only floats are widened here; any other difference is for `check_fit` to refuse.
        return inputs.astype(wanted, copy=False) if widens(inputs.dtype, wanted) else inputs

    def _padded(self, inputs: Array) -> Array:
        """`inputs`, and the last of them again until a fixed batch is full."""
        missing = (self._fixed_batch or 0) - len(inputs)
        if missing <= 0:
            return inputs
        return np.concatenate([inputs, np.repeat(inputs[-1:], missing, axis=0)])

    def _try_out(self) -> tuple[int | None, Head]:
        """Ask about a ramp of grey; find the fixed batch (if any) and how outputs are read."""
        declared = self._runner.declared.batch
        if declared is not None:
            return declared, self._trial(declared)
        try:
            return None, self._trial(2)
        except (ShapeMismatch, ModelAnswerError):
            # Traced models often have the one image of the trace baked in without declaring it.
            return 1, self._trial(1)

    def _fitting_batch_size(self) -> int:
        """The one asked for, or on a GPU the largest half of it that fits into its memory."""
        wanted = self._asking.batch_size
        if self._runner.environment["device"] != "cuda":
            return wanted
        return fitting_batch_size(wanted, self._trial)

    def _trial(self, rows: int) -> Head:
        sample = self._prepare(_ramp(rows, self._asking.input_shape))
        try:
            raw = self._runner.run(sample)
        except ModelAnswerError:
            raise
        except Exception as error:
            if isinstance(error, MemoryError) or speaks_of_memory(str(error)):
                raise MemoryError(str(error)) from error
            raise ShapeMismatch(
                f"the model cannot answer for an input of the shape {sample.shape} and type "
                f"{sample.dtype} ({type(error).__name__}: {clipped(error)}); set "
                "`preprocessing.layout`, `preprocessing.size` and `preprocessing.dtype` to what it "
                "was trained with"
            ) from error
        return find_head(raw, self._asking.outputs, rows, self._asking.classes)


def _ramp(rows: int, shape: tuple[int, int, int]) -> FloatArray:
    """Images from black to white: a constant one is NaN for models that divide by its spread."""
    ramp = np.linspace(0.0, 1.0, int(np.prod(shape)), dtype=np.float32).reshape(1, *shape)
    return np.repeat(ramp, rows, axis=0)
