"""From what a model returns to labels, refusing whatever a classifier would not answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from xray_gate.backends.interface import clipped
from xray_gate.core.errors import ModelAnswerError
from xray_gate.probing.oracle import LabelArray
from xray_gate.scan.ports import OutputKind

Array = npt.NDArray[Any]

# Rounding in half precision may leave [0, 1] by about this much.
_PROBABILITY_SLACK = 1e-2


def as_array(result: object) -> Array:
    """The one array in `result`: an array, a list, a data frame, or a mapping with one entry."""
    if isinstance(result, Mapping):
        if len(result) != 1:
            raise ModelAnswerError(
                f"the model returned a mapping with {len(result)} entries "
                f"({', '.join(sorted(map(str, result)))[:100]}); make it return its scores only"
            )
        return as_array(next(iter(result.values())))
    if hasattr(result, "to_numpy"):
        result = result.to_numpy()
    try:
        array = np.asarray(result)
    except Exception as error:
        raise ModelAnswerError(
            f"the model returned {type(result).__name__}, which is no array ({clipped(error)}); "
            "make it return one row of scores for each image"
        ) from error
    if array.dtype.kind not in "biuf":
        raise ModelAnswerError(
            f"the model returned values of the type {array.dtype}; make it return scores or "
            "whole-number labels"
        )
    return array


@dataclass(frozen=True)
class Head:
    """How a model's output is read: `classes` columns of scores, or labels under `classes`."""

    reads: Literal["scores", "labels"]
    classes: int
    probabilities: bool = False

    def labels(self, raw: Array, rows: int) -> LabelArray:
        """The labels, int64 (rows,), of the raw output for `rows` images.

        Raises `ModelAnswerError` when the output has another length or number of classes than
        before, holds NaN or infinite values, or labels outside 0 up to classes - 1.
        """
        output = _per_image(raw, rows)
        _refuse_not_finite(output)
        if self.reads == "labels":
            return self._given(output)
        if output.ndim != 2 or output.shape[1] != self.classes:
            raise ModelAnswerError(
                f"the model returned an output of the shape {raw.shape} after one of "
                f"{self.classes} classes; its output must not depend on the input's values"
            )
        if self.probabilities:
            _check_probabilities(output)
        largest: LabelArray = output.argmax(axis=1).astype(np.int64, copy=False)
        return largest

    def _given(self, output: Array) -> LabelArray:
        values = output.reshape(len(output), -1)
        if values.shape[1] != 1:
            raise ModelAnswerError(
                f"the model returned {values.shape[1]} values for each image where one label was "
                "declared; set `outputs` to logits or probabilities"
            )
        given = values[:, 0]
        if given.dtype.kind == "f" and (given != np.rint(given)).any():
            raise ModelAnswerError(
                "the model returned fractions where labels were declared; set `outputs` to logits "
                "or probabilities, and export one column for each class"
            )
        if len(given) and (given.min() < 0 or given.max() >= self.classes):
            raise ModelAnswerError(
                f"the model returned labels from {given.min()} to {given.max()}, but the probes "
                f"know 0 to {self.classes - 1}; number the labels as the probes do"
            )
        return given.astype(np.int64)


def find_head(raw: Array, kind: OutputKind, rows: int, least_classes: int) -> Head:
    """Decide, from the output for a trial batch of `rows` images, how outputs are to be read.

    `least_classes` is the number of labels that the probes know. Raises `ModelAnswerError` when
    the output is not that of a classifier, or has fewer classes.
    """
    output = _per_image(raw, rows)
    if kind == "labels" or (kind == "auto" and _looks_like_labels(output)):
        head = Head("labels", least_classes)
    else:
        head = Head("scores", _columns(output, kind, least_classes), kind == "probabilities")
    head.labels(raw, rows)
    return head


def _looks_like_labels(output: Array) -> bool:
    return output.dtype.kind in "biu" and output.size == len(output)


def _columns(output: Array, kind: OutputKind, least_classes: int) -> int:
    if output.ndim != 2 or output.shape[1] == 1:
        raise ModelAnswerError(
            f"the model's output has the shape {output.shape}: one value for each image is no "
            "score for each class; declare `outputs: labels`, or export two columns or more"
            if output.size == len(output)
            else f"the model's output has the shape {output.shape}, not (images, classes); "
            "export a classifier with one column for each class"
        )
    if kind == "auto" and output.dtype.kind != "f":
        raise ModelAnswerError(
            f"the model returns {output.shape[1]} columns of {output.dtype}, which may be scores "
            "or something else; declare `outputs: logits` if they are scores"
        )
    columns = int(output.shape[1])
    if columns < least_classes:
        raise ModelAnswerError(
            f"the model has {columns} classes, but the probes' labels need {least_classes}; give "
            "probes of the model's own classes"
        )
    return columns


def _per_image(raw: Array, rows: int) -> Array:
    """`raw` without trailing axes of length one beyond the second, as 1x1 convolutions leave."""
    if raw.ndim == 0 or len(raw) != rows:
        count = "no row" if raw.ndim == 0 else f"{len(raw)} rows"
        raise ModelAnswerError(
            f"the model returned {count} for {rows} images; export it so that it gives one row "
            "for each image"
        )
    while raw.ndim > 2 and raw.shape[-1] == 1:
        raw = raw[..., 0]
    return raw


def _refuse_not_finite(output: Array) -> None:
    if output.dtype.kind == "f" and not np.isfinite(output).all():
        what = "NaN" if np.isnan(output).any() else "infinite values"
        raise ModelAnswerError(
            f"the model returned {what}; check its weights and the policy's `preprocessing`"
        )


def _check_probabilities(output: Array) -> None:
    low, high = float(output.min(initial=0.0)), float(output.max(initial=0.0))
    if low < -_PROBABILITY_SLACK or high > 1.0 + _PROBABILITY_SLACK:
        raise ModelAnswerError(
            f"the model returned values from {low:.3g} to {high:.3g} where probabilities were "
            "declared; set `outputs: logits`"
        )
