"""Probabilities from a process that was made to lie."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.backends.asking import request, some_images
from xray_gate.backends.isolation import IsolatedModel
from xray_gate.backends.process import ModelProcess
from xray_gate.core.errors import ModelAnswerError, ModelProcessError
from xray_gate.probing.batches import Images
from xray_gate.scan.ports import ModelLimits

# Opens as a model of three classes, and reads questions about images as a model's process does.
HONEST = """
import json, os, struct, sys, time

def take(count):
    data = b""
    while len(data) < count:
        data += os.read(0, count - len(data)) or sys.exit(9)
    return data

def header():
    return json.loads(take(struct.unpack(">I", take(4))[0]))

def send(header, *floats):
    body = json.dumps(header).encode()
    os.write(1, struct.pack(">I", len(body)) + body + struct.pack("<%df" % len(floats), *floats))

def question():
    count = header()["count"]
    take(count * 3 * 4 * 4 * 4)
    return count

header()
OPENED = {"classes": CLASSES, "soft": SOFT, "batch_size": 8}
send({"opened": OPENED | {"architecture": None, "environment": {}}})
nan, inf = float("nan"), float("inf")
"""
SOUND = [0.25, 0.5, 0.25]
TWO = Images(some_images(2))


@contextmanager
def lying(
    folder: Path, script: str, *, classes: int = 3, soft: bool = True, seconds: float = 20.0
) -> Iterator[IsolatedModel]:
    opening = HONEST.replace("CLASSES", str(classes)).replace("SOFT", str(soft))
    command = [sys.executable, "-S", "-c", opening + script]
    limits = ModelLimits(seconds=seconds)
    with ModelProcess(command, {"PATH": os.defpath}, folder, limits) as process:
        yield IsolatedModel(process, "onnx", request(folder), {})


def complaint(folder: Path, script: str, seconds: float = 20.0) -> str:
    """What is said of the answer, and again of every later question: the process was ended."""
    with lying(folder, script, seconds=seconds) as model:
        with pytest.raises(ModelProcessError) as caught:
            model.probabilities(TWO)
        with pytest.raises(ModelProcessError) as again:
            model.labels(TWO)
    assert str(again.value) == str(caught.value)
    return str(caught.value)


def test_the_scripted_process_can_answer_honestly(tmp_path: Path) -> None:
    script = f"while True: send({{'probabilities': question()}}, *{SOUND * 2})"
    with lying(tmp_path, script) as model:
        for _ in range(2):
            assert model.probabilities(TWO).tolist() == [SOUND, SOUND]


@pytest.mark.parametrize(
    "row",
    [
        "nan, 0.5, 0.5",
        "inf, 0, 0",
        "-inf, 1, 1",
        "-0.5, 1, 0.5",
        "1, 1, 0",
        "2, 0, 0",
        "0, 0, 0",
        "0.3, 0.3, 0.3",
    ],
)
def test_rows_that_are_no_probabilities_end_the_process(row: str, tmp_path: Path) -> None:
    script = f"send({{'probabilities': question()}}, 0.25, 0.5, 0.25, {row}); time.sleep(60)"
    assert "rows that are no probabilities; treat the model as hostile" in complaint(
        tmp_path, script
    )


@pytest.mark.parametrize(
    "header",
    [
        "{'probabilities': 1}",
        "{'probabilities': 3}",
        "{'probabilities': 2.0}",
        "{'probabilities': '2'}",
        "{'probabilities': True}",
        "{'probabilities': [2]}",
        "{'probabilities': None}",
        "{'probabilities': 10**12}",
        "{'labels': 2}",
        "{'probabilities': 2, 'labels': 2}",
        "{}",
    ],
)
def test_a_wrong_header_ends_the_process(header: str, tmp_path: Path) -> None:
    script = f"question(); send({header}, *{SOUND * 2}); time.sleep(60)"
    assert "did not answer 2 questions with as many probabilities" in complaint(tmp_path, script)


def test_an_answer_that_is_too_short_ends_with_the_process(tmp_path: Path) -> None:
    script = f"send({{'probabilities': question()}}, *{SOUND}); sys.exit(7)"
    assert "ended with exit status 7 before it answered" in complaint(tmp_path, script)


def test_an_answer_that_is_too_short_is_waited_for_until_the_deadline(tmp_path: Path) -> None:
    script = f"send({{'probabilities': question()}}, *{SOUND}); time.sleep(60)"
    assert "limits.seconds" in complaint(tmp_path, script, seconds=1.0)


def test_what_is_left_of_an_answer_that_is_too_long_is_no_answer_to_the_next(
    tmp_path: Path,
) -> None:
    script = f"send({{'probabilities': question()}}, *{SOUND * 3}); time.sleep(60)"
    with lying(tmp_path, script) as model:
        assert model.probabilities(TWO).tolist() == [SOUND, SOUND]
        for _ in range(2):
            with pytest.raises(ModelProcessError, match="sent more than it was asked for; treat"):
                model.probabilities(TWO)


def test_who_says_labels_only_is_not_asked(tmp_path: Path) -> None:
    with (
        lying(tmp_path, "sys.exit(5)", soft=False) as model,
        pytest.raises(ModelAnswerError, match="gives labels, not probabilities"),
    ):
        model.probabilities(TWO)


def test_a_claim_of_a_million_classes_takes_no_memory(tmp_path: Path) -> None:
    """400 questions would be 1.6 GB for whoever believes it."""
    with lying(tmp_path, "time.sleep(60)", classes=1_000_000) as model:
        assert model.classes == 1_000_000
        with pytest.raises(ModelAnswerError, match="1000000 classes for 400 questions take 1525 M"):
            model.probabilities(Images(some_images(400)))
