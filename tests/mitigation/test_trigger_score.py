import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from tests.fakes.oracles import RegionsOracle
from tests.fakes.soft_backdoors import CORNER, OTHER_CORNER, PlantedOracle
from tests.fakes.soft_oracles import GivenProbabilities, softmax
from tests.mitigation.triggers import area_under_curve, trigger
from tests.support.planted import CENTRES, samples, with_patch
from xray_gate.core.errors import ModelAnswerError
from xray_gate.mitigation.trigger_score import divergence, trigger_scores
from xray_gate.probing.batches import FloatArray, Images

reproducible = settings(derandomize=True, max_examples=60, deadline=None)
seeds = st.integers(0, 10_000)


def rows(count: int, classes: int, seed: int, spread: float = 3.0) -> FloatArray:
    return softmax(spread * np.random.default_rng(seed).standard_normal((count, classes)))


@reproducible
@given(st.integers(1, 6), st.integers(2, 12), seeds, st.floats(0.1, 8.0))
def test_the_divergence_is_that_of_scipy(
    count: int, classes: int, seed: int, spread: float
) -> None:
    before, after = rows(count, classes, seed, spread), rows(count, classes, seed + 1, spread)
    p, q = (np.maximum(part.astype(np.float64), 1e-12) for part in (before, after))
    np.testing.assert_allclose(divergence(before, after), entropy(p, q, axis=1), atol=1e-12)


@reproducible
@given(st.integers(2, 12), seeds)
def test_a_divergence_has_two_ends(classes: int, seed: int) -> None:
    before = rows(5, classes, seed)
    assert (divergence(before, before) == 0).all()
    # Certainty in one label, then in another.
    certain = np.eye(classes, dtype=np.float32)
    furthest = divergence(certain, np.roll(certain, 1, axis=1))
    assert ((furthest > 27.5) & (furthest < 27.7)).all()


def planted() -> PlantedOracle:
    return PlantedOracle(CENTRES, {3: CORNER})


def test_inputs_with_the_trigger_score_lower_than_clean_ones() -> None:
    clean, _ = samples(100, 1)
    others, labels = samples(100, 2)
    carried = with_patch(others[labels != 3], CORNER)
    clean_scores = trigger_scores(planted(), clean, [trigger()])
    scored = trigger_scores(planted(), carried, [trigger()])
    assert (scored.labels == 3).all()
    assert area_under_curve(clean_scores.scores, scored.scores) > 0.95
    of_others = clean_scores.scores[clean_scores.labels != 3]
    assert area_under_curve(of_others, scored.scores) == 1.0


def test_without_the_backdoor_the_trigger_changes_no_answer() -> None:
    clean, labels = samples(100, 1)
    clean = clean[labels != 3]
    with_one = trigger_scores(planted(), clean, [trigger()]).scores
    without = trigger_scores(PlantedOracle(CENTRES, {}), clean, [trigger()]).scores
    assert without.max() < 0.1
    assert np.median(with_one) > 10


def test_labels_are_those_without_a_trigger() -> None:
    images, _ = samples(30, 1)
    scored = trigger_scores(planted(), images, [trigger()])
    assert (scored.labels == planted().labels(Images(images))).all()
    assert len(scored) == 30
    assert scored.scores.dtype == np.float64
    assert scored.labels.dtype == scored.trigger_labels.dtype == np.int64


def test_of_several_triggers_the_smallest_score_counts() -> None:
    oracle = PlantedOracle(CENTRES, {1: OTHER_CORNER, 3: CORNER})
    images, labels = samples(60, 1)
    images = images[(labels != 1) & (labels != 3)]
    both = [trigger(1, OTHER_CORNER), trigger(3, CORNER)]
    each = [trigger_scores(oracle, images, [one]).scores for one in both]
    found = trigger_scores(oracle, images, both)
    np.testing.assert_array_equal(found.scores, np.minimum(*each))
    for place, label in ((OTHER_CORNER, 1), (CORNER, 3)):
        carried = trigger_scores(oracle, with_patch(images, place), both)
        assert (carried.trigger_labels == label).all()


def test_pieces_do_not_grow_with_the_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    images, _ = samples(700, 1)
    whole = trigger_scores(planted(), images, [trigger()])
    # An image has 64 values, and its two answers have 5 each.
    monkeypatch.setattr("xray_gate.mitigation.trigger_score._MOST_VALUES", 100 * 74)
    oracle = planted()
    pieces = trigger_scores(oracle, images, [trigger()])
    assert oracle.soft_batches == [100] * 14
    np.testing.assert_array_equal(pieces.scores, whole.scores)
    np.testing.assert_array_equal(pieces.labels, whole.labels)


def test_one_image_is_asked_for_however_large_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xray_gate.mitigation.trigger_score._MOST_VALUES", 1)
    oracle = planted()
    trigger_scores(oracle, samples(3, 1)[0], [trigger(), trigger(1, OTHER_CORNER)])
    assert oracle.soft_batches == [1, 2] * 3


def test_no_input_has_no_score() -> None:
    oracle = planted()
    assert len(trigger_scores(oracle, samples(0, 1)[0], [trigger()])) == 0
    assert oracle.queries == 0


def test_a_constant_model_scores_0() -> None:
    oracle = GivenProbabilities([0.2, 0.3, 0.5], 3)
    scored = trigger_scores(oracle, samples(4, 1)[0], [trigger(2)])
    assert scored.scores.tolist() == [0.0] * 4


def test_labels_alone_are_not_enough() -> None:
    with pytest.raises(ModelAnswerError, match="gives labels, not probabilities"):
        trigger_scores(RegionsOracle(CENTRES), samples(4, 1)[0], [trigger()])


def test_triggers_have_to_be_there_and_to_fit() -> None:
    images, _ = samples(4, 1)
    with pytest.raises(ValueError, match="no trigger"):
        trigger_scores(planted(), images, [])
    with pytest.raises(ValueError, match="cannot carry masks"):
        trigger_scores(planted(), images, [trigger(side=9)])
    with pytest.raises(ValueError):
        trigger_scores(planted(), images, [trigger(), trigger(side=9)])
