import math

import numpy as np
import pytest
import torch

from benchmarks.lab.peers.label_search import BUDGETS, LabelSearch, Settings
from benchmarks.lab.peers.network import Finding
from benchmarks.lab.peers.neural_cleanse import anomaly_indices, detect
from tests.benchmarks.lab.peers.toys import CLASSES, CORNER, nearest_centre, samples

SHORT = Settings(steps=80, batches=1)


def found(seed: int, planted: int | None, settings: Settings = SHORT) -> Finding:
    network = nearest_centre(seed, planted)
    return detect(network, samples(seed), settings, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("seed", "planted"), [(0, 3), (1, 7)])
def test_a_planted_patch_has_the_smallest_mask(seed: int, planted: int) -> None:
    finding = found(seed, planted)

    assert finding.flagged
    assert finding.suspected == [planted]
    sizes = finding.statistics["mask_l1"]
    assert isinstance(sizes, list)
    assert sizes[planted] < CORNER**2 < np.median(sizes)
    assert finding.statistics["reached"] == [True] * CLASSES


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_classes_that_differ_by_chance_only_are_not_flagged(seed: int) -> None:
    finding = found(seed, None)

    assert not finding.flagged
    assert 0 <= finding.score <= 2
    assert len(finding.suspected) == 1


def test_the_seed_decides_the_masks_and_the_rounding_changes_them_little() -> None:
    first, second = found(0, 3), found(0, 3)
    rounded = found(0, 3, Settings(steps=80, batches=1, arithmetic="bfloat16"))

    assert first == second
    assert rounded.statistics != first.statistics
    assert rounded.suspected == first.suspected


def test_labels_are_searched_in_groups_and_each_search_is_counted() -> None:
    network = nearest_centre(0, 3)
    settings = Settings(steps=2, batches=3, batch=32, together=4)

    finding = detect(network, samples(0), settings, torch.Generator().manual_seed(0))

    assert finding.statistics["steps"] == [2] * CLASSES
    assert finding.gradient_steps == 6 * CLASSES
    # An epoch of 200 images ends with a batch of 8: 18 batches are 16 whole ones and 2 of these.
    assert network.asked == 32 * 6 * CLASSES - (32 - 8) * (4 + 2)


def test_more_labels_than_there_is_time_for_share_the_batches() -> None:
    settings = BUDGETS["cpu"]

    assert [settings.batches_for(labels) for labels in (2, 10, 20, 43)] == [4, 4, 2, 1]
    assert BUDGETS["published"].batches_for(43) == 31


def test_the_index_counts_deviations_under_the_median() -> None:
    sizes = np.array([50.0, 60.0, 70.0, 80.0, 90.0, 5.0, 400.0])

    indices = anomaly_indices(sizes)

    deviation = 1.4826 * 20
    assert indices == pytest.approx((70 - sizes) / deviation)
    assert np.flatnonzero(indices > 2).tolist() == [5]


def test_masks_of_one_size_have_no_index() -> None:
    with pytest.raises(ValueError, match="no deviation"):
        anomaly_indices(np.array([3.0, 3.0, 3.0, 1.0]))


def weights(successes: list[float]) -> list[float]:
    search, seen = LabelSearch(BUDGETS["published"]), []
    for success in successes:
        search.note(success, 10.0)
        seen.append(search.weight)
    return seen


def test_the_weight_starts_rises_and_falls_after_five_steps_in_a_row() -> None:
    assert weights([0.98] * 6) == [0.0] * 6
    assert weights([0.99] * 4 + [0.5] + [1.0] * 5) == [0.0] * 9 + [1e-3]
    # The fifth success starts the weight and is the first of the next five.
    assert weights([1.0] * 9) == [0.0] * 4 + [1e-3] * 4 + [2e-3]
    assert weights([1.0] * 9 + [0.5] * 5)[-2:] == [2e-3, pytest.approx(2e-3 / 2**1.5)]


def test_a_search_ends_when_the_weight_went_both_ways_and_the_mask_shrinks_no_more() -> None:
    search = LabelSearch(BUDGETS["published"])
    for _ in range(9):
        assert search.note(1.0, 50.0) == (search.steps == 1)
    for _ in range(4):
        search.note(0.5, 20.0)
    assert search.size == 50.0
    assert search.note(1.0, 20.0)

    steps = 0
    while not search.ended:
        search.note(0.5, 10.0)
        steps += 1
    assert steps == 25
    assert search.size == 20.0


def test_a_search_without_success_goes_on() -> None:
    search = LabelSearch(BUDGETS["published"])
    for _ in range(200):
        assert not search.note(0.9, 10.0)

    assert math.isinf(search.size)
    assert not search.ended
