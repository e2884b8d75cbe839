from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.asking import some_images, some_plane, some_planes, some_stamps
from xray_gate.backends import questions
from xray_gate.backends.questions import Message, messages, read_batch
from xray_gate.core.errors import ShapeMismatch
from xray_gate.probing.batches import Batch, Images, JoinedPlanes, PlanePoints, Stamps

SHAPE = (3, 4, 4)
IMAGE = 3 * 4 * 4 * 4
TRIGGER = IMAGE + 4 * 4 * 4
reproducible = settings(derandomize=True, max_examples=60, deadline=None)


class Stream:
    """Bytes that are read from the first on."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, count: int) -> bytearray:
        assert count <= len(self.data)
        part, self.data = self.data[:count], self.data[count:]
        return bytearray(part)


def received(message: Message) -> Batch:
    """What the other side reads; nothing is left over."""
    stream = Stream(b"".join(bytes(array) for array in message.arrays))
    batch = read_batch(message.header, SHAPE, stream.read)
    assert not stream.data
    assert len(batch) == message.count
    return batch


@pytest.mark.parametrize(
    "batch",
    [
        Images(some_images(7)),
        Images(some_images(7)[::-1]),
        some_plane(5, clip=True),
        some_plane(5, clip=False),
        some_planes(3),
        some_planes(3).take(np.array([26, 0, 5, 5])),
        some_stamps(3, 4),
        some_stamps(3, 4).take(np.array([11, 0, 5, 5])),
    ],
)
def test_what_is_read_is_what_was_asked(batch: Batch) -> None:
    (message,) = messages(batch, SHAPE, 8, 12)
    found = received(message)
    assert type(found) is type(batch)
    np.testing.assert_array_equal(found.images(0, len(found)), batch.images(0, len(batch)))


@reproducible
@given(
    data=st.data(),
    images=st.integers(1, 9),
    triggers=st.integers(1, 9),
    batch_size=st.integers(1, 6),
    answers=st.integers(1, 40),
    described=st.integers(1, 8),
)
def test_stamps_go_over_in_order_and_no_message_is_large(
    data: st.DataObject, images: int, triggers: int, batch_size: int, answers: int, described: int
) -> None:
    stamps = some_stamps(images, triggers)
    if data.draw(st.booleans()):
        rows = st.lists(st.integers(0, len(stamps) - 1), max_size=50)
        stamps = stamps.take(np.array(data.draw(rows), dtype=np.int64))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(questions, "_ANSWER_BYTES", 12 * answers)
        patch.setattr(questions, "_DESCRIBED_BYTES", TRIGGER * described)
        sent = list(messages(stamps, SHAPE, batch_size, 12))
    start = 0
    for message in sent:
        part = received(message)
        assert isinstance(part, Stamps)
        assert len(part) <= answers
        assert IMAGE * len(part.pixels) <= TRIGGER * described
        assert len(part.masks) <= described
        np.testing.assert_array_equal(
            part.images(0, len(part)), stamps.images(start, start + len(part))
        )
        start += len(part)
    assert start == len(stamps)


def test_a_message_names_its_own_planes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    planes = some_planes(3)
    monkeypatch.setattr(questions, "_DESCRIBED_BYTES", 2 * 3 * IMAGE)
    sent = list(messages(planes, SHAPE, 2, 8))
    asked = [received(message) for message in sent]
    assert all(isinstance(part, JoinedPlanes) and len(part.origins) <= 2 for part in asked)
    assert len(sent) > 1
    together = np.concatenate([part.images(0, len(part)) for part in asked])
    np.testing.assert_array_equal(together, planes.images(0, len(planes)))


@pytest.mark.parametrize(
    "batch",
    [Images(some_images(30)), some_plane(6, clip=True), some_planes(4), some_stamps(6, 6)],
)
def test_whole_batches_are_asked_where_they_fit(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "_ANSWER_BYTES", 11 * 40)
    counts = [message.count for message in messages(batch, SHAPE, 4, 40)]
    assert set(counts[:-1]) == {8}
    assert sum(counts) == len(batch)
    monkeypatch.setattr(questions, "_ANSWER_BYTES", 3 * 40)
    assert {message.count for message in messages(batch, SHAPE, 4, 40)} <= {3, len(batch) % 3}


def test_an_answer_larger_than_a_message_is_asked_for_alone() -> None:
    """A million classes."""
    asked = (Images(some_images(3)), some_plane(2, clip=True), some_planes(1), some_stamps(2, 2))
    for batch in asked:
        sent = list(messages(batch, SHAPE, 256, 4_000_000 * 4))
        assert [message.count for message in sent] == [1] * len(batch)


def test_repeats_are_not_brought_together() -> None:
    """They are to be answered in the places where they were hidden."""
    rows = np.array([4, 1, 4, 3, 2, 4])
    (message,) = messages(some_stamps(3, 4).take(rows), SHAPE, 8, 12)
    found = received(message)
    assert isinstance(found, Stamps)
    assert found.questions is not None
    asked = found.questions
    assert (asked[[0, 2]] == asked[5]).all()
    assert len(set(asked.tolist())) == 4


@pytest.mark.parametrize("batch", [Images(some_images(0)), some_stamps(0, 3), some_stamps(3, 0)])
def test_no_question_is_no_message(batch: Batch) -> None:
    assert list(messages(batch, SHAPE, 8, 12)) == []


def test_questions_of_another_shape_are_refused() -> None:
    small = np.zeros((2, 3, 2, 2), dtype=np.float32)
    plane = PlanePoints(small[0], small[1], small[1], np.zeros((1, 2), np.float32), clip=True)
    planes = JoinedPlanes.join([plane, plane])
    for batch in (Images(small), plane, planes, Stamps(small, small[:, 0], small)):
        with pytest.raises(ShapeMismatch, match=r"\(3, 4, 4\), but asked about \(3, 2, 2\)"):
            messages(batch, SHAPE, 8, 12)


STAMPS = {"ask": "stamps", "count": 2, "images": 2, "triggers": 1}


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ({}, "`count` is None"),
        ({"count": 1}, "no question of the kind None"),
        ({"ask": "verdict", "count": 1}, "no question of the kind 'verdict'"),
        ({"ask": "images", "count": 0}, "`count` is 0"),
        ({"ask": "images", "count": -1}, "`count` is -1"),
        ({"ask": "images", "count": True}, "`count` is True"),
        ({"ask": "images", "count": 2.0}, "`count` is 2.0"),
        ({"ask": "images", "count": "2"}, "`count` is '2'"),
        ({"ask": "plane", "count": 2}, "`clip` is None"),
        ({"ask": "plane", "count": 2, "clip": 1}, "`clip` is 1"),
        ({"ask": "planes", "count": 2}, "`planes` is None"),
        ({"ask": "planes", "count": 2, "planes": 0}, "`planes` is 0"),
        (STAMPS | {"images": None}, "`images` is None"),
        (STAMPS | {"images": 0}, "`images` is 0"),
        (STAMPS | {"triggers": [1]}, r"`triggers` is \[1\]"),
        (STAMPS | {"triggers": False}, "`triggers` is False"),
        (STAMPS | {"count": None}, "`count` is None"),
    ],
)
def test_a_header_that_is_not_as_agreed_is_refused_before_anything_is_read(
    header: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_batch(header, SHAPE, Stream(b"").read)


def test_stamps_that_there_are_not_are_refused_after_all_was_read() -> None:
    arrays = [np.zeros(2 * 48 + 16 + 48, "<f4").tobytes(), np.array([0, 2], "<i8").tobytes()]
    stream = Stream(b"".join(arrays))
    with pytest.raises(ValueError, match="2 images under 1 triggers have the questions 0 to 1"):
        read_batch(STAMPS, SHAPE, stream.read)
    assert not stream.data
