"""From raw outputs to probabilities."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.soft_oracles import softmax
from xray_gate.backends.outputs import find_head
from xray_gate.backends.protocol import parse_probabilities
from xray_gate.core.errors import ModelAnswerError
from xray_gate.scan.ports import OutputKind

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 0.0]], np.float32)
SOFT = softmax(LOGITS)
reproducible = settings(derandomize=True, max_examples=100, deadline=None)


@pytest.mark.parametrize("kind", ["auto", "logits"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_logits_go_through_a_softmax(kind: OutputKind, dtype: str) -> None:
    head = find_head(LOGITS.astype(dtype), kind, 2, 3)
    found = head.probabilities(LOGITS.astype(dtype), 2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, SOFT, rtol=1e-6)


@pytest.mark.parametrize("kind", ["auto", "probabilities"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_probabilities_stay_what_they_are(kind: OutputKind, dtype: str) -> None:
    head = find_head(SOFT.astype(dtype), kind, 2, 3)
    found = head.probabilities(SOFT.astype(dtype), 2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, SOFT, rtol=1e-3)


def test_probabilities_that_are_declared_logits_go_through_a_softmax() -> None:
    found = find_head(SOFT, "logits", 2, 3).probabilities(SOFT, 2)
    np.testing.assert_allclose(found, softmax(SOFT), rtol=1e-6)


def test_log_probabilities_give_the_probabilities() -> None:
    logs = np.log(SOFT)
    found = find_head(logs, "auto", 2, 3).probabilities(logs, 2)
    np.testing.assert_allclose(found, SOFT, rtol=1e-5)


@pytest.mark.parametrize("size", [1e4, 6e4, 1e30, 1e300, 1.7e308])
def test_the_softmax_is_stable(size: float) -> None:
    raw = np.array([[size, -size, 0.0], [-size, -size, -size]])
    head = find_head(raw, "logits", 2, 3)
    found = head.probabilities(raw, 2)
    np.testing.assert_allclose(found, softmax(np.array([[9e4, 0, 0], [0, 0, 0]])), rtol=1e-6)
    near = np.array([[1e4, 1e4 - 1, 1e4 - 2], [-1e4, -1e4 - 1, -1e4 - 2]], np.float32)
    expected = softmax(np.array([[0.0, -1.0, -2.0]]))
    np.testing.assert_allclose(head.probabilities(near, 2), expected.repeat(2, axis=0), rtol=1e-6)


def test_axes_that_a_convolution_leaves_are_dropped() -> None:
    raw = LOGITS.reshape(2, 3, 1, 1)
    np.testing.assert_allclose(find_head(raw, "auto", 2, 3).probabilities(raw, 2), SOFT, rtol=1e-6)


def test_declared_logits_may_be_integers() -> None:
    raw = np.array([[1, 5, 2], [7, 0, 0]], "int8")
    found = find_head(raw, "logits", 2, 3).probabilities(raw, 2)
    np.testing.assert_allclose(found, softmax(raw.astype(np.float64)), rtol=1e-6)


def test_what_rounding_puts_outside_is_brought_back() -> None:
    raw = np.array([[1.004, -0.002, 0.0], [0.5, 0.496, 0.0]], np.float32)
    found = find_head(raw, "auto", 2, 3).probabilities(raw, 2)
    brought_back = np.array([[1, 0, 0], [0.5 / 0.996, 0.496 / 0.996, 0]])
    np.testing.assert_allclose(found, brought_back, rtol=1e-6)


@pytest.mark.parametrize("raw", [np.array([2, 0]), np.array([[2], [0]], "int32")])
def test_labels_are_no_probabilities(raw: Any) -> None:
    with pytest.raises(ModelAnswerError, match="labels, not probabilities; export it with one col"):
        find_head(raw, "auto", 2, 3).probabilities(raw, 2)


@pytest.mark.parametrize(
    ("kind", "raw", "complaint"),
    [
        ("auto", SOFT * 1.5, r"sums from 1\.5 to 1\.5.*when it was opened; set `outputs: logits`"),
        ("auto", LOGITS, r"when it was opened; set `outputs: logits`, or export it"),
        ("probabilities", SOFT * 0.5, r"from 0\.5 to 0\.5.*that were declared; set `outputs: log"),
        ("probabilities", LOGITS, "values from -1 to 3 where probabilities were declared"),
        ("auto", SOFT * np.nan, "NaN; check"),
        ("auto", np.where(SOFT > 0.9, np.inf, SOFT), "infinite values"),
        ("auto", SOFT[:1], "1 rows for 2 images"),
        ("auto", SOFT[:, :2], r"\(2, 2\) after one of 3 classes"),
    ],
)
def test_what_was_probabilities_and_is_none_any_more_is_refused(
    kind: OutputKind, raw: Any, complaint: str
) -> None:
    head = find_head(SOFT, kind, 2, 3)
    with pytest.raises(ModelAnswerError, match=complaint):
        head.probabilities(raw, 2)


def test_declared_scores_that_do_not_sum_to_1_still_give_labels() -> None:
    """As independent sigmoids do; only who needs probabilities must declare them logits."""
    raw = np.array([[0.9, 0.8, 0.1], [0.2, 0.1, 0.7]], np.float32)
    head = find_head(raw, "probabilities", 2, 3)
    assert head.labels(raw, 2).tolist() == [0, 2]
    with pytest.raises(ModelAnswerError, match=r"sums from 1 to 1\.8"):
        head.probabilities(raw, 2)


@reproducible
@given(
    st.integers(2, 300),
    st.integers(1, 20),
    st.floats(-6, 4),
    st.sampled_from(["float16", "float32", "float64"]),
    st.integers(0, 1000),
)
def test_what_leaves_the_process_is_accepted_by_the_other_side(
    classes: int, rows: int, scale: float, dtype: str, seed: int
) -> None:
    """And its largest is the label, but for what single precision makes equal."""
    raw = np.random.default_rng(seed).normal(0, 10**scale, (rows, classes)).clip(-6e4, 6e4)
    raw = raw.astype(dtype)
    head = find_head(raw, "logits", rows, 2)
    sent = head.probabilities(raw, rows).astype("<f4").tobytes()
    found = parse_probabilities(sent, classes)
    own = found[np.arange(rows), head.labels(raw, rows)]
    np.testing.assert_array_equal(own, found.max(axis=1))
