import numpy as np
import pytest

from tests.detectors.trigger_sweep.making import Shape
from tests.fakes.oracles import FakeOracle
from xray_gate.detectors.trigger_sweep import responses as module
from xray_gate.detectors.trigger_sweep.families.local import PatchTrigger
from xray_gate.detectors.trigger_sweep.responses import UNASKED, Responses
from xray_gate.probing.batches import FloatArray, LabelArray

SHAPE: Shape = (1, 2, 2)
IMAGES = 5


class SpellingOracle(FakeOracle):
    """Answers 10 * trigger + image, as the first pixel and the last of an image spell."""

    def __init__(self) -> None:
        super().__init__(classes=100)
        self.asked: list[int] = []

    def _answer(self, images: FloatArray) -> LabelArray:
        first, last = (np.rint(images[:, 0, at, at] * 100).astype(np.int64) for at in (0, -1))
        spelt: LabelArray = 10 * first + last
        self.asked += spelt.tolist()
        return spelt


def number(trigger: int) -> PatchTrigger:
    """Writes its number into the first pixel."""
    return PatchTrigger(0.5, SHAPE, "plain", np.full((1, 1, 1), trigger / 100, np.float32), 0, 0)


def table(triggers: int = 4) -> tuple[SpellingOracle, Responses]:
    oracle = SpellingOracle()
    images = np.zeros((IMAGES, *SHAPE), np.float32)
    images[:, 0, -1, -1] = np.arange(IMAGES) / 100
    responses = Responses(oracle, images, np.arange(IMAGES))
    assert responses.add(number(i) for i in range(triggers)) == list(range(triggers))
    return oracle, responses


def columns(*chosen: int) -> LabelArray:
    return np.array(chosen, dtype=np.int64)


def test_nothing_is_known_before_it_is_asked() -> None:
    oracle, responses = table()
    assert responses.labels.shape == (4, IMAGES)
    assert responses.labels.dtype == np.int64
    assert (responses.labels == UNASKED).all()
    assert (responses.queries, oracle.queries) == (0, 0)
    assert responses.classes == 100


def test_labels_land_in_the_cells_that_were_asked_for() -> None:
    _, responses = table()
    responses.ask([(2, columns(4, 0)), (0, columns(3)), (3, columns(1, 2, 3))])
    wanted = np.full((4, IMAGES), UNASKED)
    for row, column in [(2, 4), (2, 0), (0, 3), (3, 1), (3, 2), (3, 3)]:
        wanted[row, column] = 10 * row + column
    np.testing.assert_array_equal(responses.labels, wanted)


def test_every_pair_is_asked_for_once_only() -> None:
    oracle, responses = table()
    rng = np.random.default_rng(0)
    for _ in range(30):
        rows = rng.permutation(4)[: rng.integers(1, 4)]
        responses.ask([(int(row), rng.permutation(IMAGES)[: rng.integers(1, 5)]) for row in rows])
    assert len(oracle.asked) == len(set(oracle.asked)) == responses.queries == oracle.queries
    everything = np.arange(IMAGES)
    responses.ask([(row, everything) for row in range(4)])
    np.testing.assert_array_equal(responses.labels, 10 * np.arange(4)[:, None] + everything)
    assert sorted(oracle.asked) == sorted(responses.labels.ravel().tolist())


def test_asking_for_what_is_known_costs_nothing() -> None:
    oracle, responses = table()
    responses.ask([(1, np.arange(IMAGES))])
    batches = list(oracle.batches)
    responses.ask([(1, columns(2, 4)), (1, np.arange(IMAGES))])
    responses.ask([])
    assert oracle.batches == batches == [IMAGES]


def test_triggers_that_come_later_keep_what_is_known() -> None:
    oracle, responses = table(triggers=2)
    responses.ask([(1, columns(0, 1))])
    assert responses.add([number(7), number(8)]) == [2, 3]
    assert responses.add([]) == []
    responses.ask([(2, columns(4)), (1, columns(1, 2))])
    assert responses.labels[1].tolist() == [10, 11, 12, UNASKED, UNASKED]
    assert responses.labels[2].tolist() == [UNASKED] * 4 + [74]
    assert responses.queries == oracle.queries == 4


def test_small_questions_go_together() -> None:
    oracle, responses = table()
    responses.ask([(row, np.arange(IMAGES)) for row in range(4)])
    assert oracle.batches == [4 * IMAGES]


@pytest.mark.parametrize(
    ("pixels", "largest"), [(4, 5), (28, 10), (40, 10), (48, 15), (10_000, 20)]
)
def test_big_questions_are_split_and_still_land_right(
    pixels: int, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_VALUES_A_BATCH", pixels)
    oracle, responses = table()
    responses.ask([(row, np.arange(IMAGES)) for row in range(4)])
    assert max(oracle.batches) == largest
    assert oracle.queries == 4 * IMAGES == responses.queries
    np.testing.assert_array_equal(responses.labels, 10 * np.arange(4)[:, None] + np.arange(IMAGES))


def test_the_images_themselves_stay_as_they_are() -> None:
    _, responses = table()
    before = responses.images.copy()
    responses.ask([(row, np.arange(IMAGES)) for row in range(4)])
    np.testing.assert_array_equal(responses.images, before)
    assert responses.before.tolist() == [0, 1, 2, 3, 4]
