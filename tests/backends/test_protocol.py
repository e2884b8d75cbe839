from typing import Any

import numpy as np
import pytest

from xray_gate.backends.protocol import (
    HEADER_LIMIT,
    LENGTH_BYTES,
    OutOfMemory,
    decode_header,
    encode_header,
    header_length,
    parse_count,
    parse_labels,
    parse_opened,
    parse_probabilities,
    raise_reported,
)
from xray_gate.core.errors import (
    InputError,
    ModelAnswerError,
    ModelProcessError,
    NoGradients,
    ShapeMismatch,
    XrayGateError,
)

HONEST = {
    "classes": 3,
    "soft": True,
    "batch_size": 8,
    "architecture": None,
    "environment": {"onnxruntime": "1"},
}


def test_a_header_comes_back_as_it_was_sent() -> None:
    data = encode_header({"labels": 3})
    body = data[LENGTH_BYTES:]
    assert header_length(data[:LENGTH_BYTES]) == len(body)
    assert decode_header(body) == {"labels": 3}


def test_a_header_that_the_other_side_would_refuse_is_not_sent() -> None:
    with pytest.raises(ValueError, match="exceeds"):
        encode_header({"message": "x" * HEADER_LIMIT})


@pytest.mark.parametrize("prefix", [b"\xff\xff\xff\xff", b"\x00\x01\x00\x01", b"\0\0\0\0"])
def test_announced_lengths_are_bounded(prefix: bytes) -> None:
    with pytest.raises(ModelProcessError, match="broke the protocol: it announced a header"):
        header_length(prefix)


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"{", b"[1]", b"null", b"[" * 60_000, b"9" * 60_000, b"\x80\x04K\x01."]
)
def test_bytes_that_are_no_json_object_break_the_protocol(body: bytes) -> None:
    with pytest.raises(ModelProcessError, match="broke the protocol"):
        decode_header(body)


def test_an_honest_opening_is_read() -> None:
    architecture = "sha256:" + "0" * 64
    opened = parse_opened({"opened": HONEST | {"architecture": architecture}}, 2)
    assert opened.classes == 3
    assert opened.soft
    assert opened.batch_size == 8
    assert opened.architecture == architecture
    assert opened.environment == {"onnxruntime": "1"}


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"labels": 3},
        {"opened": HONEST, "more": 1},
        {"opened": [HONEST]},
        {"opened": HONEST | {"verdict": "passed"}},
        {"opened": {name: HONEST[name] for name in HONEST if name != "soft"}},
        *(
            {"opened": HONEST | change}
            for change in (
                {"classes": 1},
                {"classes": True},
                {"classes": 3.0},
                {"classes": "3"},
                {"classes": 10**9},
                {"soft": 1},
                {"soft": "true"},
                {"soft": None},
                {"batch_size": 0},
                {"batch_size": True},
                {"batch_size": 10**9},
                {"architecture": "sha256:short"},
                {"architecture": 7},
                {"environment": ["onnxruntime"]},
                {"environment": {"onnxruntime": 1}},
                {"environment": {str(n): "x" for n in range(1000)}},
            )
        ),
    ],
)
def test_a_false_opening_breaks_the_protocol(header: dict[str, Any]) -> None:
    with pytest.raises(ModelProcessError, match="broke the protocol"):
        parse_opened(header, 2)


def test_the_environment_is_cleaned_and_cut() -> None:
    facts = {"a\x1b[31m": "b\u202e" + "c" * 1000}
    (pair,) = parse_opened({"opened": HONEST | {"environment": facts}}, 2).environment.items()
    assert pair[0] == "a [31m"
    assert pair[1].isprintable()
    assert len(pair[1]) == 200


@pytest.mark.parametrize(
    "header", [{"labels": 4}, {"labels": 3.0}, {"labels": True}, {"labels": 3, "x": 1}, {}]
)
def test_any_other_number_of_labels_than_asked_for_breaks_the_protocol(header: Any) -> None:
    parse_count({"labels": 3}, "labels", 3)
    with pytest.raises(ModelProcessError, match="3 questions with as many labels"):
        parse_count(header, "labels", 3)


@pytest.mark.parametrize("header", [{"labels": 3}, {"probabilities": 2}, {"probabilities": 3.0}])
def test_any_other_answer_than_probabilities_breaks_the_protocol(header: Any) -> None:
    parse_count({"probabilities": 3}, "probabilities", 3)
    with pytest.raises(ModelProcessError, match="3 questions with as many probabilities"):
        parse_count(header, "probabilities", 3)


@pytest.mark.parametrize("lie", [-1, 3, 2**62])
def test_labels_out_of_range_break_the_protocol(lie: int) -> None:
    assert parse_labels(np.array([0, 2, 1], "<i8").tobytes(), 3).tolist() == [0, 2, 1]
    with pytest.raises(ModelProcessError, match="labels outside 0 to 2"):
        parse_labels(np.array([0, lie, 1], "<i8").tobytes(), 3)


def test_rows_of_probabilities_are_read() -> None:
    rows = [[0.25, 0.75, 0.0], [1.0, 0.0, 0.0]]
    found = parse_probabilities(np.array(rows, "<f4").tobytes(), 3)
    assert found.tolist() == rows
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    "lie",
    [
        [np.nan, 0.5, 0.5],
        [np.inf, 0, 0],
        [-np.inf, 1, 0],
        [1.5, -0.5, 0],
        [-1e-6, 0.5, 0.5],
        [1 + 1e-6, 0, 0],
        [2 / 3, 2 / 3, 2 / 3],
        [0.3, 0.3, 0.3],
        [0, 0, 0],
        [0.5, 0.5001, 0],
        [3e38, 3e38, 0],
    ],
)
def test_rows_that_are_no_probabilities_break_the_protocol(lie: list[float]) -> None:
    rows = np.array([[0.2, 0.3, 0.5], lie, [0, 1, 0]], "<f4")
    with pytest.raises(ModelProcessError, match="rows that are no probabilities"):
        parse_probabilities(rows.tobytes(), 3)


def test_a_row_of_many_classes_may_round() -> None:
    row = np.random.default_rng(0).dirichlet(np.ones(100_000)).astype("<f4")
    assert parse_probabilities(row.tobytes(), len(row)).shape == (1, len(row))


def test_only_who_was_asked_for_slopes_may_refuse_gradients() -> None:
    refusal = {"error": "gradients", "message": "none; set them"}
    with pytest.raises(NoGradients, match="none; set them"):
        parse_count(refusal, "slopes", 3)
    with pytest.raises(ModelProcessError, match="an error of an unknown kind"):
        parse_count(refusal, "probabilities", 3)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("input", InputError),
        ("shape", ShapeMismatch),
        ("answer", ModelAnswerError),
        ("memory", OutOfMemory),
        ("failed", ModelProcessError),
    ],
)
def test_reported_errors_become_ours(kind: str, error: type[XrayGateError]) -> None:
    with pytest.raises(error, match="what happened") as caught:
        raise_reported({"error": kind, "message": "what\x07 happened\n" + "x" * 5000})
    assert type(caught.value) is error
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 650


@pytest.mark.parametrize(
    "header",
    [
        {"error": "passed", "message": "all is well"},
        {"error": ["input"], "message": "x"},
        {"error": "input", "message": 5},
        {"error": "input"},
        {"error": "input", "message": "x", "labels": 3},
    ],
)
def test_malformed_reports_break_the_protocol(header: Any) -> None:
    with pytest.raises(ModelProcessError, match="broke the protocol"):
        raise_reported(header)


def test_every_message_of_a_report_says_something() -> None:
    with pytest.raises(InputError, match="no reason given; look at"):
        raise_reported({"error": "input", "message": "\x00\n"})
