"""From what a model returns to labels, refusing whatever a classifier would not answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from xray_gate.backends.interface import clipped
from xray_gate.core.errors import ModelAnswerError
from xray_gate.probing.batches import FloatArray, LabelArray
from xray_gate.probing.oracle import raise_labels_only
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
    """How a model's output is read: `classes` columns of scores, or labels under `classes`.

    `normalised`: the scores are probabilities already, as declared or as the trial batch showed.
    """

    reads: Literal["scores", "labels"]
    classes: int
    declared_probabilities: bool = False
    normalised: bool = False

    def labels(self, raw: Array, rows: int) -> LabelArray:
        """The labels, int64 (rows,), of the raw output for `rows` images.

        Raises `ModelAnswerError` when the output has another length or number of classes than
        before, holds NaN or infinite values, or labels outside 0 up to classes - 1.
        """
        if self.reads == "labels":
            output = _per_image(raw, rows)
            _refuse_not_finite(output)
            return self._given(output)
        largest: LabelArray = self._scores(raw, rows).argmax(axis=1).astype(np.int64, copy=False)
        return largest

    def probabilities(self, raw: Array, rows: int) -> FloatArray:
        """Float32 (rows, classes), each row in [0, 1] with the sum 1.

        Scores that are no probabilities yet go through a softmax. Raises `ModelAnswerError` as
        `labels` does, for a model that gives labels only, and for rows that do not sum to 1 where
        the declaration or the trial batch says that they do.
        """
        if self.reads == "labels":
            raise_labels_only()
        scores = self._scores(raw, rows).astype(np.float64)
        if not self.normalised:
            # The differences of 64-bit scores may leave their range: exp of -inf is 0.
            with np.errstate(over="ignore"):
                scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        elif not _are_probabilities(scores):
            raise ModelAnswerError(self._not_normalised(scores))
        scores = np.clip(scores, 0.0, None)
        return np.asarray(scores / scores.sum(axis=1, keepdims=True), np.float32)

    def _scores(self, raw: Array, rows: int) -> Array:
        output = _per_image(raw, rows)
        _refuse_not_finite(output)
        if output.ndim != 2 or output.shape[1] != self.classes:
            raise ModelAnswerError(
                f"the model returned an output of the shape {raw.shape} after one of "
                f"{self.classes} classes; its output must not depend on the input's values"
            )
        if self.declared_probabilities:
            _check_probabilities(output)
        return output

    def _not_normalised(self, scores: Array) -> str:
        sums = scores.sum(axis=1)
        held = "declared" if self.declared_probabilities else "what it returned when it was opened"
        return (
            f"the model returned rows with sums from {sums.min():.3g} to {sums.max():.3g}, which "
            f"are not the probabilities that were {held}; set `outputs: logits`, or export it so "
            "that each row sums to 1"
        )

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
        columns = _columns(output, kind, least_classes)
        declared = kind == "probabilities"
        normalised = declared or (kind == "auto" and _are_probabilities(output))
        head = Head("scores", columns, declared, normalised)
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


def _are_probabilities(output: Array) -> bool:
    """Whether all values lie in [0, 1] and all rows sum to 1, but for rounding."""
    low, high = float(output.min(initial=0.0)), float(output.max(initial=0.0))
    sums = output.astype(np.float64).sum(axis=1)
    within = low >= -_PROBABILITY_SLACK and high <= 1 + _PROBABILITY_SLACK
    return within and bool((np.abs(sums - 1) <= _PROBABILITY_SLACK).all())


def _check_probabilities(output: Array) -> None:
    low, high = float(output.min(initial=0.0)), float(output.max(initial=0.0))
    if low < -_PROBABILITY_SLACK or high > 1.0 + _PROBABILITY_SLACK:
        raise ModelAnswerError(
            f"the model returned values from {low:.3g} to {high:.3g} where probabilities were "
            "declared; set `outputs: logits`"
        )
