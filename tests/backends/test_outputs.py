from typing import Any

import numpy as np
import pytest

from xray_gate.backends.outputs import Head, as_array, find_head
from xray_gate.core.errors import ModelAnswerError
from xray_gate.scan.ports import OutputKind


def array(values: object, dtype: str = "float32") -> Any:
    return np.array(values, dtype=dtype)


SCORES = array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]])


@pytest.mark.parametrize("kind", ["auto", "logits", "probabilities"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_scores_are_read_by_their_largest(kind: OutputKind, dtype: str) -> None:
    head = find_head(SCORES.astype(dtype), kind, 2, 3)
    assert head.classes == 3
    labels = head.labels(SCORES.astype(dtype), 2)
    assert labels.dtype == np.int64
    assert labels.tolist() == [1, 0]


def test_axes_that_a_convolution_leaves_are_dropped() -> None:
    raw = SCORES.reshape(2, 3, 1, 1)
    assert find_head(raw, "auto", 2, 3).labels(raw, 2).tolist() == [1, 0]


@pytest.mark.parametrize(
    "raw", [array([2, 0], "int64"), array([[2], [0]], "int32"), array([2, 0], "uint8")]
)
def test_whole_numbers_are_labels(raw: Any) -> None:
    head = find_head(raw, "auto", 2, 3)
    assert head == Head("labels", 3)
    assert head.labels(raw, 2).tolist() == [2, 0]


def test_declared_labels_may_be_whole_floats() -> None:
    head = find_head(array([2.0, 0.0]), "labels", 2, 3)
    assert head.labels(array([[1.0], [2.0]]), 2).tolist() == [1, 2]
    with pytest.raises(ModelAnswerError, match="fractions where labels were declared"):
        head.labels(array([0.5, 1.0]), 2)


@pytest.mark.parametrize(
    ("raw", "kind", "complaint"),
    [
        (array([[0.3], [0.9]]), "auto", "declare `outputs: labels`, or export two columns"),
        (array([0.3, 0.9]), "auto", "declare `outputs: labels`, or export two columns"),
        (np.zeros((2, 3, 4, 4), np.float32), "auto", r"not \(images, classes\)"),
        (array([[1, 0, 0], [0, 1, 0]], "int64"), "auto", "declare `outputs: logits`"),
        (SCORES, "labels", "3 values for each image where one label"),
        (SCORES[:, :2], "auto", "has 2 classes, but the probes' labels need 3"),
        (SCORES[:1], "auto", "1 rows for 2 images"),
        (array(1.0), "auto", "no row for 2 images"),
        (SCORES * 10, "probabilities", "where probabilities were declared; set `outputs: logits`"),
        (SCORES * np.nan, "auto", "NaN"),
        (array([[0, np.inf, 0], [0, 0, 0]]), "logits", "infinite"),
        (array([[0, -np.inf, 0], [0, 0, 0]]), "logits", "infinite"),
        (array([np.nan, 1]), "labels", "NaN"),
        (array([-1, 1], "int64"), "auto", "labels from -1 to 1, but the probes know 0 to 2"),
        (array([2**64 - 1, 1], "uint64"), "auto", "but the probes know 0 to 2"),
        (array([1e300, 1], "float64"), "labels", "but the probes know 0 to 2"),
    ],
)
def test_what_no_classifier_answers_is_refused(raw: Any, kind: OutputKind, complaint: str) -> None:
    with pytest.raises(ModelAnswerError, match=complaint):
        find_head(raw, kind, 2, 3)


def test_declared_logits_may_be_integers() -> None:
    raw = array([[1, 5, 2], [7, 0, 0]], "int8")
    assert find_head(raw, "logits", 2, 3).labels(raw, 2).tolist() == [1, 0]


def test_the_number_of_classes_may_not_change_between_answers() -> None:
    head = find_head(SCORES, "auto", 2, 2)
    assert head.classes == 3
    with pytest.raises(ModelAnswerError, match=r"\(2, 2\) after one of 3 classes"):
        head.labels(SCORES[:, :2], 2)


class Frame:
    """As a data frame gives its values."""

    def to_numpy(self) -> Any:
        return SCORES


@pytest.mark.parametrize("result", [SCORES, SCORES.tolist(), {"scores": SCORES}, Frame()])
def test_one_array_is_found_in_what_mlflow_models_return(result: object) -> None:
    assert np.allclose(as_array(result), SCORES)


@pytest.mark.parametrize(
    ("result", "complaint"),
    [
        ({"a": [1], "b": [2]}, r"2 entries \(a, b\)"),
        ({}, "0 entries"),
        (["cat", "dog"], "whole-number labels"),
        ([[1, 2], [3]], "no array"),
        (None, "type object"),
        (array([[1, 2]], "complex64"), "complex64"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(result: object, complaint: str) -> None:
    with pytest.raises(ModelAnswerError, match=complaint):
        as_array(result)
