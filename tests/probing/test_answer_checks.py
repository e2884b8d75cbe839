from operator import methodcaller

import numpy as np
import pytest

from tests.fakes.oracles import (
    BatchScaledOracle,
    FakeOracle,
    NotANumberOracle,
    OneLabelOracle,
    RandomOracle,
    RegionsOracle,
    RowMixingOracle,
    StatefulOracle,
)
from tests.fakes.soft_oracles import SoftOracle
from tests.probing.asking import CENTRES, images, rng, stamps
from xray_gate.core.errors import ModelAnswerError
from xray_gate.probing.answer_checks import CheckedOracle, check_answers
from xray_gate.probing.answers import recheck
from xray_gate.probing.batches import Batch, FloatArray, JoinedPlanes, LabelArray
from xray_gate.probing.oracle import HardLabelOracle
from xray_gate.probing.planes import plane_through


class WrongAnswers(FakeOracle):
    """Gives `answers` to everything."""

    def __init__(self, answers: LabelArray) -> None:
        super().__init__(classes=3)
        self._answers = answers

    def _answer(self, images: FloatArray) -> LabelArray:
        return self._answers


BATCHES: dict[str, Batch] = {
    "one image": images(1),
    "two": images(2),
    "many": images(),
    "stamps": stamps(),
    "plane": plane_through(images(3).pixels).points(12, 5.0, clip=True),
}


@pytest.mark.parametrize("question", ["labels", "probabilities"])
@pytest.mark.parametrize("kind", BATCHES)
def test_checks_do_not_change_sound_answers(kind: str, question: str) -> None:
    batch, ask = BATCHES[kind], methodcaller(question, BATCHES[kind])
    checked = CheckedOracle(SoftOracle(CENTRES), rng())
    np.testing.assert_array_equal(ask(checked), ask(SoftOracle(CENTRES)))
    assert (checked.classes, checked.soft) == (4, True)
    assert len(set(SoftOracle(CENTRES).labels(batch).tolist())) > 1 or len(batch) < 3


@pytest.mark.parametrize(("question", "shape"), [("labels", (0,)), ("probabilities", (0, 4))])
def test_an_empty_batch_needs_no_check(question: str, shape: tuple[int, ...]) -> None:
    checked = CheckedOracle(SoftOracle(CENTRES), rng())
    assert methodcaller(question, images(0))(checked).shape == shape
    assert checked.check_queries == 0


def test_every_batch_holds_the_hidden_repeats_and_they_are_counted() -> None:
    oracle = RegionsOracle(CENTRES)
    checked = CheckedOracle(oracle, rng(), repeats=5)
    checked.labels(images(10))
    checked.labels(images(1))
    assert oracle.batches == [15, 6]
    assert checked.check_queries == 10


def test_repeats_lie_within_the_batch_at_places_that_differ() -> None:
    class Recorder(RegionsOracle):
        seen: list[Batch]

        def labels(self, batch: Batch) -> LabelArray:
            self.seen.append(batch)
            return super().labels(batch)

    oracle = Recorder(CENTRES)
    oracle.seen = []
    checked = CheckedOracle(oracle, rng())
    checked.labels(images())
    checked.labels(images())
    first, second = (batch.images(0, len(batch)) for batch in oracle.seen)
    assert (first != second).any()
    assert all((seen[:40] != images().pixels).any() for seen in (first, second))


def test_at_least_one_question_is_repeated() -> None:
    with pytest.raises(ValueError, match="at least one"):
        CheckedOracle(RegionsOracle(CENTRES), rng(), repeats=0)


@pytest.mark.parametrize(
    "oracle",
    [RandomOracle(10, np.random.default_rng(0)), RowMixingOracle(CENTRES)],
    ids=["random", "row-mixing"],
)
def test_hidden_repeats_notice_unsound_answers(oracle: HardLabelOracle) -> None:
    checked = CheckedOracle(oracle, rng())
    with pytest.raises(ModelAnswerError, match=r"of 8 images repeated within a batch.*Export"):
        checked.labels(images())


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (np.zeros((48, 3), dtype=np.int64), "one answer for each image"),
        (np.zeros(40, dtype=np.int64), "48 questions got answers of the shape"),
        (np.full(48, 3), "which of its outputs"),
        (np.full(48, -1), "labels from -1"),
    ],
)
def test_answers_that_are_no_labels_are_refused(answers: LabelArray, message: str) -> None:
    with pytest.raises(ModelAnswerError, match=message):
        CheckedOracle(WrongAnswers(answers), rng()).labels(images(40))


def test_sound_answers_are_returned_after_the_check() -> None:
    oracle = RegionsOracle(CENTRES)
    expected = RegionsOracle(CENTRES).labels(images())
    np.testing.assert_array_equal(check_answers(oracle, images(), rng()), expected)
    assert oracle.queries == 3 * 40 + 16
    assert oracle.batches.count(1) == 16


def test_fewer_probes_than_singles_are_all_asked_alone() -> None:
    oracle = OneLabelOracle(3)
    assert check_answers(oracle, images(5), rng()).tolist() == [0] * 5
    assert oracle.batches.count(1) == 5


@pytest.mark.parametrize(
    ("oracle", "message"),
    [
        (RandomOracle(10, np.random.default_rng(0)), "in another order"),
        (RowMixingOracle(CENTRES), "in another order"),
        (BatchScaledOracle(CENTRES), "one at a time"),
        (StatefulOracle(CENTRES, queries_until=40), "in another order"),
        (StatefulOracle(CENTRES, queries_until=96), "for a second time"),
    ],
    ids=["random", "row-mixing", "batch-scaled", "stateful", "stateful late"],
)
def test_the_check_notices_unsound_answers(oracle: HardLabelOracle, message: str) -> None:
    with pytest.raises(ModelAnswerError, match=message):
        check_answers(oracle, images(), rng())


def test_a_disagreement_names_how_many_of_how_many() -> None:
    oracle = StatefulOracle(CENTRES, queries_until=96)
    with pytest.raises(ModelAnswerError, match="another label for 40 of 40 images"):
        check_answers(oracle, images(), rng())


def test_errors_of_the_model_pass_through() -> None:
    with pytest.raises(ModelAnswerError, match="NaN"):
        check_answers(NotANumberOracle(4), images(), rng())


def test_the_recheck_accepts_a_model_that_kept_its_answers() -> None:
    oracle = RegionsOracle(CENTRES)
    labels = check_answers(oracle, images(), rng())
    before = oracle.queries
    recheck(oracle, images(), labels, rng(1))
    assert oracle.queries - before == 40


def test_the_recheck_notices_a_model_that_changed_during_the_scan() -> None:
    oracle = StatefulOracle(CENTRES, queries_until=200)
    labels = check_answers(oracle, images(), rng())
    oracle.labels(images(40))
    oracle.labels(images(40))
    with pytest.raises(ModelAnswerError, match="asked for again"):
        recheck(oracle, images(), labels, rng(1))


def test_small_batches_of_several_planes_are_repeated_in_part() -> None:
    oracle = RegionsOracle(CENTRES)
    checked = CheckedOracle(oracle, rng())
    vectors = np.zeros((1, 1, 4, 4), dtype=np.float32)

    def points(count: int) -> JoinedPlanes:
        which, where = np.zeros(count, np.int64), np.zeros((count, 2), np.float32)
        return JoinedPlanes(vectors, vectors, vectors, np.zeros(1, bool), which, where)

    for count in (1, 40, 500):
        checked.labels(points(count))
    assert oracle.batches == [1 + 1, 40 + 3, 500 + 8]
    assert checked.check_queries == 12
