import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.brute_force import entropy_in_bits, region_size, score_plane, triple_area
from tests.fakes.oracles import RegionsOracle
from xray_gate.probing.batches import Images
from xray_gate.probing.planes import plane_through
from xray_gate.probing.regions import Triple, areas_of_triple_samples, label_shares, renyi_entropy

reproducible = settings(derandomize=True, max_examples=60, deadline=None)
Case = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Triple, Triple]


def three(labels: npt.ArrayLike) -> Triple:
    first, second, third = (int(label) for label in np.asarray(labels))
    return first, second, third


@st.composite
def planes(draw: st.DrawFn) -> Case:
    """Random labels with a few patches, three cells, true and predicted labels."""
    rng = np.random.default_rng(draw(st.integers(0, 100_000)))
    size, classes = draw(st.integers(3, 16)), draw(st.integers(3, 6))
    labels = rng.integers(0, classes, (size, size))
    for _ in range(draw(st.integers(0, 4))):
        row, column = rng.integers(0, size, 2)
        labels[row : row + size // 2, column : column + size // 2] = rng.integers(classes)
    cells = rng.integers(0, size, (3, 2))
    true = rng.permutation(classes)[:3]
    at_cells = labels[tuple(cells.T)]
    if len(set(at_cells.tolist())) == 3:
        true = at_cells
    predicted = np.where(rng.random(3) < 0.8, true, rng.integers(0, classes, 3))
    return labels, cells, three(true), three(predicted)


@reproducible
@given(planes(), st.sampled_from([1.0, 1.5, 2.0, 10.0]))
def test_entropy_agrees_with_the_brute_force(case: Case, alpha: float) -> None:
    labels = case[0]
    expected = entropy_in_bits(labels.tolist(), alpha)
    assert renyi_entropy(labels, alpha) == pytest.approx(expected, abs=1e-9)


@reproducible
@given(planes(), st.sampled_from([0.05, 0.2, 0.5, 1.0]))
def test_areas_agree_with_the_brute_force(case: Case, cap: float) -> None:
    labels, cells, true, predicted = case
    expected = triple_area(
        labels.tolist(), [(int(r), int(c)) for r, c in cells], true, predicted, cap
    )
    found = areas_of_triple_samples(labels, cells, true, predicted, cap)
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("clip", [False, True])
def test_scores_of_a_whole_plane_agree_with_the_brute_force(seed: int, clip: bool) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.random((3, 1, 3, 3)).astype(np.float32)
    spread = rng.normal(0.5, 1.5, (5, 1, 3, 3))
    oracle = RegionsOracle(np.concatenate([samples, spread]))
    size, eta = 14, 1.0
    plane = plane_through(samples)
    labels = oracle.labels(plane.points(size, eta, clip)).reshape(size, size)
    predicted = (0, 1, 2)
    found = areas_of_triple_samples(labels, plane.nearest_cells(size, eta), (0, 1, 2), predicted)

    def predict(pixels: list[float]) -> int:
        return int(oracle.labels(Images(np.array(pixels, np.float32).reshape(1, 1, 3, 3)))[0])

    entropy, ats = score_plane(
        predict, samples.reshape(3, -1).tolist(), (0, 1, 2), size=size, eta=eta, clip=clip
    )
    assert renyi_entropy(labels) == pytest.approx(entropy, abs=1e-6)
    assert found == pytest.approx(ats, abs=1e-6)
    assert entropy > 0.1


@pytest.mark.parametrize("alpha", [1.0, 2.0, 10.0, 1000.0])
def test_one_label_has_no_entropy(alpha: float) -> None:
    entropy = renyi_entropy(np.full((5, 5), 3), alpha)
    assert entropy == 0.0
    assert math.copysign(1.0, entropy) == 1.0


@pytest.mark.parametrize("alpha", [1.0, 1.001, 2.0, 10.0, 1000.0])
@pytest.mark.parametrize("regions", [2, 3, 7, 8])
def test_equal_regions_have_the_logarithm_of_their_number(regions: int, alpha: float) -> None:
    labels = np.repeat(np.arange(regions), 12).reshape(-1, 6)
    assert renyi_entropy(labels, alpha) == pytest.approx(math.log2(regions), abs=1e-9)


def test_entropy_at_one_is_the_limit() -> None:
    labels = np.array([[0, 0, 0, 1], [0, 2, 2, 0]])
    assert renyi_entropy(labels, 1.0) == pytest.approx(renyi_entropy(labels, 1.0 + 1e-7), abs=1e-6)


def test_a_high_order_does_not_underflow() -> None:
    labels = np.arange(10_000).reshape(100, 100) % 5_000
    assert renyi_entropy(labels, 1000.0) == pytest.approx(math.log2(5_000))


@pytest.mark.parametrize("alpha", [0.5, -1.0, math.nan, math.inf])
def test_other_orders_are_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        renyi_entropy(np.array([[0, 1]]), alpha)


def test_an_empty_plane_has_no_entropy() -> None:
    with pytest.raises(ValueError, match="0 labels"):
        renyi_entropy(np.zeros((0, 0), dtype=np.int64))


@reproducible
@given(planes(), st.randoms(use_true_random=False))
def test_renaming_the_labels_changes_no_score(case: Case, random: Any) -> None:
    labels, cells, true, predicted = case
    names = list(range(8))
    random.shuffle(names)
    renamed = np.array(names)[labels]
    new_true, new_predicted = (three([names[x] for x in old]) for old in (true, predicted))
    assert renyi_entropy(renamed) == pytest.approx(renyi_entropy(labels), abs=1e-12)
    before = areas_of_triple_samples(labels, cells, true, predicted)
    after = areas_of_triple_samples(
        renamed,
        cells,
        new_true,
        new_predicted,
    )
    assert after == before


def test_shares_count_every_label_even_the_absent() -> None:
    shares = label_shares(np.array([[0, 2], [2, 2]]), 4)
    assert shares.tolist() == [0.25, 0.0, 0.75, 0.0]


def test_shares_refuse_a_label_beyond_the_classes() -> None:
    with pytest.raises(ValueError, match="label 4"):
        label_shares(np.array([[0, 4]]), 4)


STRIPES = np.array([[0, 0, 0, 1, 1, 2, 2, 3]] * 2)
AT_STRIPES = np.array([[0, 0], [0, 3], [1, 5]])


def test_areas_add_up() -> None:
    assert areas_of_triple_samples(STRIPES, AT_STRIPES, (0, 1, 2), (0, 1, 2)) == 7 / 8


def test_a_region_of_exactly_the_cap_counts_nothing() -> None:
    at_cap = areas_of_triple_samples(STRIPES, AT_STRIPES, (0, 1, 2), (0, 1, 2), cap=3 / 8)
    above = areas_of_triple_samples(STRIPES, AT_STRIPES, (0, 1, 2), (0, 1, 2), cap=0.376)
    assert (at_cap, above) == (4 / 8, 7 / 8)


def test_half_of_the_plane_counts_nothing_by_default() -> None:
    labels = np.array([[0, 0, 1, 2]])
    cells = np.array([[0, 0], [0, 2], [0, 3]])
    assert areas_of_triple_samples(labels, cells, (0, 1, 2), (0, 1, 2)) == 0.5


def test_a_sample_predicted_wrongly_counts_nothing() -> None:
    assert areas_of_triple_samples(STRIPES, AT_STRIPES, (0, 1, 2), (3, 1, 2)) == 4 / 8


def test_a_sample_whose_grid_point_has_another_label_counts_nothing() -> None:
    cells = np.array([[0, 7], [0, 3], [1, 5]])
    assert areas_of_triple_samples(STRIPES, cells, (0, 1, 2), (0, 1, 2)) == 4 / 8


def test_only_the_region_that_holds_the_sample_counts() -> None:
    labels = np.array([[0, 1, 0, 0, 0, 2, 3, 3]])
    cells = np.array([[0, 0], [0, 1], [0, 5]])
    assert areas_of_triple_samples(labels, cells, (0, 1, 2), (0, 1, 2)) == 3 / 8


def test_regions_hang_together_over_corners() -> None:
    labels = np.array([[0, 3, 3, 3], [3, 0, 3, 1], [3, 3, 0, 2]])
    cells = np.array([[0, 0], [1, 3], [2, 3]])
    assert region_size(labels.tolist(), (0, 0)) == 3
    assert areas_of_triple_samples(labels, cells, (0, 1, 2), (0, 1, 2)) == pytest.approx(5 / 12)


def test_samples_of_one_class_are_refused() -> None:
    with pytest.raises(ValueError, match="different classes"):
        areas_of_triple_samples(STRIPES, AT_STRIPES, (0, 0, 2), (0, 0, 2))
