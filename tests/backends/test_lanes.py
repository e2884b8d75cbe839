from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Event, Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends import tiny_onnx
from tests.backends.asking import brightest, request, some_images
from xray_gate.backends.isolation import open_model
from xray_gate.backends.lanes import in_batches, lanes_of
from xray_gate.probing.batches import Images

SECONDS = 20.0


def numbers(start: int, stop: int) -> range:
    return range(start, stop)


@pytest.mark.parametrize(
    ("threads", "expected"),
    [(1, (1, 1)), (2, (2, 1)), (8, (8, 1)), (9, (5, 2)), (16, (8, 2)), (64, (8, 8))],
)
def test_each_thread_has_a_batch_of_its_own_up_to_eight(
    threads: int, expected: tuple[int, int]
) -> None:
    assert lanes_of(threads) == expected


@given(st.integers(0, 200), st.integers(1, 50), st.integers(1, 4))
def test_every_question_is_answered_once(count: int, step: int, lanes: int) -> None:
    answered: list[int] = []
    lock = Lock()

    def answer(start: int, questions: range) -> None:
        assert questions.start == start
        assert len(questions) <= step
        with lock:
            answered.extend(questions)

    in_batches(count, step, lanes, numbers, answer)
    assert sorted(answered) == [*range(count)]


@pytest.mark.parametrize("lanes", [2, 3])
def test_so_many_batches_are_answered_at_once(lanes: int) -> None:
    """Whoever came alone to the barrier would wait for the others in vain."""
    together, met = Barrier(lanes), list[int]()

    def answer(start: int, _: range) -> None:
        together.wait(SECONDS)
        met.append(start)

    in_batches(4 * lanes, 1, lanes, numbers, answer)
    assert sorted(met) == [*range(4 * lanes)]


@pytest.mark.parametrize("lanes", [1, 2])
def test_never_more_at_once_than_there_are_lanes(lanes: int) -> None:
    running, most, lock = 0, 0, Lock()
    breath = Event()

    def answer(start: int, questions: range) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        breath.wait(0.002)
        with lock:
            running -= 1

    in_batches(40, 1, lanes, numbers, answer)
    assert most == lanes


def test_with_one_lane_the_next_batch_is_made_meanwhile() -> None:
    second_is_made = Event()

    def make(start: int, stop: int) -> int:
        if start == 1:
            second_is_made.set()
        return start

    def answer(start: int, made: int) -> None:
        assert second_is_made.wait(SECONDS)

    in_batches(2, 1, 1, make, answer)


def fails_in(place: str, answered: list[int]) -> tuple[Callable[..., int], Callable[..., None]]:
    def make(start: int, stop: int) -> int:
        if place == "make" and start == 3:
            raise MemoryError("no room for the fourth")
        return start

    def answer(start: int, made: int) -> None:
        if place == "answer" and start == 3:
            raise MemoryError("no room for the fourth")
        answered.append(start)

    return make, answer


@pytest.mark.parametrize("place", ["make", "answer"])
@pytest.mark.parametrize("lanes", [1, 2])
def test_the_first_error_ends_it(place: str, lanes: int) -> None:
    answered: list[int] = []
    make, answer = fails_in(place, answered)
    with pytest.raises(MemoryError, match="no room for the fourth"):
        in_batches(10_000, 1, lanes, make, answer)
    assert 3 not in answered
    assert len(answered) < 9_999


@pytest.mark.parametrize("threads", ["1", "2", "3"])
def test_labels_do_not_depend_on_the_threads(
    threads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    images = some_images(203)
    free = tiny_onnx.brightest_channel(tmp_path / "free.onnx")
    fixed = tiny_onnx.brightest_channel_by_four(tmp_path / "fixed.onnx")
    for path in (free, fixed):
        with open_model(request(path)) as model:
            assert model.labels(Images(images)).tolist() == brightest(images).tolist()
