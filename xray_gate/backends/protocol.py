"""What goes over the pipes between a scan and the process that holds its model.

A message is four bytes (the header's length, big-endian), a header (one JSON object) and raw
little-endian arrays whose sizes follow from the header. Nothing is ever unpickled.

    to the model   {"ask": "open", "model": ..., "sample": n}
                              float32 images, if there is a sample -> {"opened": {...}}
                   {"ask": "images", "count": m}
                              float32 images
                   {"ask": "plane", "count": m, "clip": true}
                              float32 origin, a, b and (m, 2) coordinates
                   {"ask": "planes", "count": m, "planes": k}
                              float32 origins, a, b (each k images), bool clips (k,),
                              int64 planes (m,), float32 (m, 2) coordinates
                   {"ask": "stamps", "count": m, "images": n, "triggers": k}
                              float32 images, masks (k, height, width) and patterns,
                              int64 questions (m,), see `probing.batches.Stamps`
                   each of the four with "answer": "labels" or "probabilities", or with
                   "answer": "slopes", "label": c
    from it        {"labels": m}                        int64 labels
                   {"probabilities": m}                 float32 (m, classes)
                   {"slopes": m}                        float32 (m, classes) and (m, *shape), see
                                                        `probing.oracle.Slopes`
                   {"error": kind, "message": "..."}

The model shares a process with the code that answers, so every answer is read as if an attacker
had written it: sizes are bounded before they are believed, and what is not exactly as above is a
`ModelProcessError`.
"""

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import numpy as np

from xray_gate.core.errors import (
    InputError,
    ModelAnswerError,
    ModelProcessError,
    NoGradients,
    ShapeMismatch,
)
from xray_gate.core.printable import printable
from xray_gate.probing.batches import FloatArray, LabelArray
from xray_gate.probing.oracle import Slopes

Answer = Literal["labels", "probabilities", "slopes"]

HEADER_LIMIT = 64 * 1024
# The longest text of the model's making that is quoted in a message.
TEXT_LIMIT = 500
_LENGTH = struct.Struct(">I")
LENGTH_BYTES = _LENGTH.size

_MOST_CLASSES = 1_000_000
_LARGEST_BATCH = 1_000_000
# The sum of a row that was normalised in double precision and rounded to single.
_ROUNDING = 1e-5
_MOST_FACTS = 32
_ARCHITECTURE = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Opened:
    """What the process says of the model that it has opened."""

    classes: int
    soft: bool
    batch_size: int
    architecture: str | None
    environment: dict[str, str]


def encode_header(header: Mapping[str, Any]) -> bytes:
    """Length and JSON; ValueError when that is more than the other side accepts."""
    body = json.dumps(header).encode()
    if len(body) > HEADER_LIMIT:
        raise ValueError(f"a header of {len(body)} bytes exceeds {HEADER_LIMIT}")
    return _LENGTH.pack(len(body)) + body


def header_length(prefix: bytes) -> int:
    """The length that the first four bytes announce, within bounds."""
    (length,) = _LENGTH.unpack(prefix)
    if not 2 <= length <= HEADER_LIMIT:
        broken(f"it announced a header of {length} bytes")
    return int(length)


def decode_header(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`."""
    try:
        header = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _violation("its header is not JSON") from error
    if not isinstance(header, dict):
        broken("its header is not a JSON object")
    return header


def parse_opened(header: Mapping[str, Any], least_classes: int) -> Opened:
    """Read the answer to `open`, or raise the error that it reports."""
    raise_reported(header)
    opened = header.get("opened")
    if set(header) != {"opened"} or not isinstance(opened, dict):
        broken("it did not answer the request to open the model")
    if set(opened) != {"classes", "soft", "batch_size", "architecture", "environment"}:
        broken("its answer has other fields than agreed")
    classes, soft, architecture = opened["classes"], opened["soft"], opened["architecture"]
    if type(soft) is not bool:
        broken("it does not say whether it gives scores")
    if type(classes) is not int or not least_classes <= classes <= _MOST_CLASSES:
        broken("it reports an impossible number of classes")
    batch_size = opened["batch_size"]
    if type(batch_size) is not int or not 1 <= batch_size <= _LARGEST_BATCH:
        broken("it reports an impossible size of its batches")
    if architecture is not None and not (
        isinstance(architecture, str) and _ARCHITECTURE.fullmatch(architecture)
    ):
        broken("its hash of the architecture is none")
    return Opened(classes, soft, batch_size, architecture, _environment(opened["environment"]))


def parse_count(header: Mapping[str, Any], answer: Answer, expected: int) -> None:
    """Check that `expected` answers of the kind follow, or raise the error reported instead."""
    raise_reported(header, of_slopes=answer == "slopes")
    count = header.get(answer)
    if set(header) != {answer} or type(count) is not int or count != expected:
        broken(f"it did not answer {expected} questions with as many {answer}")


def parse_labels(payload: bytes, classes: int) -> LabelArray:
    """The labels in `payload`, each in [0, classes)."""
    labels = np.frombuffer(payload, dtype="<i8").astype(np.int64)
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        broken(f"it answered with labels outside 0 to {classes - 1}")
    return labels


def parse_probabilities(payload: bytes, classes: int) -> FloatArray:
    """The rows in `payload`, float32 (n, classes), each in [0, 1] with the sum 1."""
    rows = np.frombuffer(payload, dtype="<f4").astype(np.float32).reshape(-1, classes)
    # Every comparison with NaN is false.
    inside = bool(((rows >= 0) & (rows <= 1)).all())
    if not (inside and (np.abs(rows.sum(axis=1, dtype=np.float64) - 1) <= _ROUNDING).all()):
        broken("it answered with rows that are no probabilities")
    return rows


def parse_slopes(payload: bytes, classes: int, shape: tuple[int, int, int]) -> Slopes:
    """The probabilities and the derivatives in `payload`, all of which are finite."""
    values = 4 * (classes + int(np.prod(shape)))
    count = len(payload) // values
    probabilities = parse_probabilities(payload[: 4 * classes * count], classes)
    log_odds = np.frombuffer(payload[4 * classes * count :], dtype="<f4").astype(np.float32)
    if not np.isfinite(log_odds).all():
        raise NoGradients(
            "the model's gradients are NaN or infinite; set `patches_by: queries`, and check its "
            "weights"
        )
    return Slopes(probabilities, log_odds.reshape(count, *shape))


def raise_reported(header: Mapping[str, Any], *, of_slopes: bool = False) -> None:
    """Raise what an answer of the form {"error": kind, "message": text} stands for."""
    if "error" not in header:
        return
    kind, message = header["error"], header.get("message")
    if set(header) != {"error", "message"} or not isinstance(message, str):
        broken("its report of an error is malformed")
    text = printable(message)[:TEXT_LIMIT] or "no reason given; look at the model's own log"
    if kind == "input":
        raise InputError(text)
    if kind == "shape":
        raise ShapeMismatch(text)
    if kind == "answer":
        raise ModelAnswerError(text)
    if kind == "gradients" and of_slopes:
        raise NoGradients(text)
    if kind == "memory":
        raise OutOfMemory(text)
    if kind == "failed":
        raise ModelProcessError(
            f"the model failed on a question ({text}); try it on the same images outside the scan"
        )
    broken("it reports an error of an unknown kind")


class OutOfMemory(ModelProcessError):
    """The model's process reports that memory ran out; the limit is known to who started it."""


def broken(what: str) -> NoReturn:
    """Raise the error for an answer that breaks the protocol."""
    raise _violation(what)


def _violation(what: str) -> ModelProcessError:
    return ModelProcessError(
        f"the model's process broke the protocol: {what}; treat the model as hostile and look at "
        "its files before it is loaded again"
    )


def _environment(facts: object) -> dict[str, str]:
    if not isinstance(facts, dict) or len(facts) > _MOST_FACTS:
        broken("it reports no proper environment")
    if not all(isinstance(value, str) for value in facts.values()):
        broken("it reports an environment that is not text")
    return {printable(name)[:50]: printable(value)[:200] for name, value in facts.items()}
