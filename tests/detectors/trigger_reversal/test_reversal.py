import numpy as np
import pytest

from tests.fakes.soft_backdoors import CORNER, OTHER_CORNER, planted_subject
from xray_gate.detectors.interface import Subject
from xray_gate.detectors.trigger_reversal import reversal as module
from xray_gate.detectors.trigger_reversal.reversal import (
    AwayFromLabel,
    Reversal,
    TowardsLabel,
    reverse_together,
)
from xray_gate.detectors.trigger_reversal.settings import ReversalSettings
from xray_gate.detectors.trigger_reversal.shrinking import ReversedTrigger
from xray_gate.probing.batches import FloatArray
from xray_gate.probing.oracle import as_soft

QUICK = ReversalSettings(iterations=150, batch=12, samples=20, learning_rate=0.1)


def reversed_for(
    subject: Subject, labels: list[int], settings: ReversalSettings = QUICK, seed: int = 0
) -> list[ReversedTrigger]:
    images = subject.probes.images
    streams = np.random.default_rng(seed).spawn(len(labels))
    reversals = [
        Reversal(images.shape[1:], TowardsLabel(label), settings, stream)
        for label, stream in zip(labels, streams, strict=True)
    ]
    told: list[int] = []
    reverse_together(
        as_soft(subject.oracle),
        images,
        subject.probe_labels,
        reversals,
        settings,
        np.random.default_rng(seed),
        lambda: told.append(1),
    )
    assert len(told) == max(each.iterations for each in reversals)
    assert all(each.done for each in reversals)
    return [each.found() for each in reversals]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_planted_patch_is_reversed_and_others_need_more(seed: int) -> None:
    subject = planted_subject({3: CORNER}, seed)
    found = reversed_for(subject, [0, 3], seed=seed)
    assert all(each.reached for each in found)
    assert found[1].size < 0.4 * found[0].size
    # The heaviest part of the mask lies on the patch.
    inside = found[1].mask[CORNER].sum()
    assert inside > 0.3 * found[1].size
    assert found[1].pattern[:, *CORNER].mean() > 0.6


def test_a_found_trigger_works_on_the_images() -> None:
    rates = []
    for seed in range(4):
        subject = planted_subject({3: CORNER}, seed)
        (found,) = reversed_for(subject, [3], seed=seed)
        assert found.success >= QUICK.success
        labels = subject.oracle.labels(found.stamped(subject.probes.images))
        rates.append((labels[subject.probe_labels != 3] == 3).mean())
    # Held on three mini-batches of twelve, it holds on most of all images.
    assert np.mean(rates) > 0.85


def test_a_search_ends_when_the_mask_has_settled_and_says_so() -> None:
    subject = planted_subject(seed=1)
    settled = ReversalSettings(iterations=2000, batch=12, samples=20, learning_rate=0.1, settled=20)
    (found,) = reversed_for(subject, [0], settled)
    assert found.iterations < 2000
    assert found.why == "the mask has not shrunk for 20 iterations"


def test_a_search_ends_with_its_iterations_and_says_so() -> None:
    short = ReversalSettings(iterations=3, batch=12, samples=20)
    (found,) = reversed_for(planted_subject(), [0], short)
    assert (found.iterations, found.why) == (3, "all 3 iterations were made")
    assert not found.reached
    assert found.success < short.success


def test_each_iteration_is_one_question_as_large_as_promised() -> None:
    subject = planted_subject({1: CORNER, 3: OTHER_CORNER})
    settings = ReversalSettings(iterations=5, batch=12, samples=20)
    reversed_for(subject, [0, 1, 2], settings)
    assert subject.oracle.soft_batches == [3 * settings.candidates * 12] * 5  # type: ignore[attr-defined]


def test_questions_are_split_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, again = planted_subject(), planted_subject()
    settings = ReversalSettings(iterations=4, batch=12, samples=20)
    whole = reversed_for(subject, [0, 1, 2], settings)
    monkeypatch.setattr(module, "_QUESTION_BYTES", 1)
    split = reversed_for(again, [0, 1, 2], settings)
    assert again.oracle.soft_batches == [settings.candidates * 12] * 12  # type: ignore[attr-defined]
    for one, other in zip(whole, split, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)


def test_a_seed_fixes_the_search() -> None:
    settings = ReversalSettings(iterations=20, batch=12, samples=20)
    first, again, other = (
        reversed_for(planted_subject(), [2], settings, seed)[0] for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first.mask, again.mask)
    np.testing.assert_array_equal(first.pattern, again.pattern)
    assert (first.mask != other.mask).any()


def test_a_class_is_searched_the_same_alone_and_beside_others() -> None:
    settings = ReversalSettings(iterations=20, batch=12, samples=20)
    alone = reversed_for(planted_subject(), [2], settings)[0]
    beside = reversed_for(planted_subject(), [2, 3], settings)[0]
    np.testing.assert_array_equal(alone.mask, beside.mask)


def test_fewer_images_than_a_mini_batch_are_all_used() -> None:
    subject = planted_subject(count=10)
    settings = ReversalSettings(iterations=2, batch=64, samples=4)
    reversed_for(subject, [0], settings)
    assert subject.oracle.soft_batches == [settings.candidates * 10] * 2  # type: ignore[attr-defined]


def answers(rows: list[list[float]]) -> FloatArray:
    return np.array(rows, np.float32)


def test_away_from_a_label_is_the_square_error_and_counts_its_own_images() -> None:
    goal = AwayFromLabel(1)
    given = answers([[0.5, 0.5], [0.9, 0.1], [0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_allclose(goal.losses(given), [-0.25, -0.81, 0.0, -1.0], rtol=1e-6)
    assert goal.success(given[[1, 2, 1]], np.array([1, 1, 0])) == 0.5
    assert goal.success(given[[2]], np.array([0])) == 1.0


def test_towards_a_label_is_cross_entropy_and_counts_the_images_of_others() -> None:
    goal = TowardsLabel(1)
    given = answers([[0.5, 0.5], [0.9, 0.1], [0.0, 1.0], [1.0, 0.0]])
    expected = [np.log(2), -np.log(0.1), 0.0, -np.log(1e-12)]
    np.testing.assert_allclose(goal.losses(given), expected, rtol=1e-5)
    # Of two images of label 0 one moves; the one that had label 1 before does not count.
    assert goal.success(given[[1, 2, 2]], np.array([0, 0, 1])) == 0.5
    assert goal.success(given[[2]], np.array([1])) == 1.0
