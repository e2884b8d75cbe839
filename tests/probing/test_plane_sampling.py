"""Grids whose labels are known by formula, sampled adaptively and densely."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from xray_gate.probing.batches import Batch, JoinedPlanes, LabelArray
from xray_gate.probing.plane_sampling import (
    PlaneView,
    SampledGrid,
    adaptive_grids,
    dense_grids,
)
from xray_gate.probing.planes import plane_through

SIZE, ETA = 100, 5.0
SAMPLES = np.array([[[[0.0, 0.0]]], [[[1.0, 0.0]]], [[[0.0, 1.0]]]], dtype=np.float32)
PLANE = plane_through(SAMPLES)

Points = npt.NDArray[np.float32]
Formula = Callable[[Points, Points], npt.NDArray[np.int64]]


class FormulaOracle:
    """The label of an image of two pixels, which are its coordinates in the plane."""

    def __init__(self, formula: Formula) -> None:
        self._formula = formula
        self.asked: list[tuple[int, float, float]] = []

    @property
    def classes(self) -> int:
        return 4

    def labels(self, batch: Batch) -> LabelArray:
        x, y = batch.images(0, len(batch)).reshape(-1, 2).T
        if isinstance(batch, JoinedPlanes):
            self.asked += zip(batch.planes.tolist(), x.tolist(), y.tolist(), strict=True)
        return self._formula(x, y)


def whole(values: npt.ArrayLike) -> npt.NDArray[np.int64]:
    return np.asarray(values).astype(np.int64)


def discs(x: Points, y: Points) -> npt.NDArray[np.int64]:
    """Three regions with curved boundaries, one of them thin."""
    return whole(x**2 + y**2 < 9) + whole(np.abs(x - 2 * np.sin(y)) < 0.4)


def sampled(formula: Formula, views: int = 1, seed: int = 0) -> tuple[list[SampledGrid], int]:
    oracle = FormulaOracle(formula)
    grids = adaptive_grids(
        oracle, [PlaneView(PLANE, clip=False)] * views, SIZE, ETA, np.random.default_rng(seed)
    )
    assert len(set(oracle.asked)) == len(oracle.asked) == sum(grid.asked for grid in grids)
    return grids, len(oracle.asked)


def dense(formula: Formula, size: int = SIZE) -> SampledGrid:
    (grid,) = dense_grids(FormulaOracle(formula), [PlaneView(PLANE, clip=False)], size, ETA)
    return grid


def test_boundaries_are_found_with_a_part_of_the_questions() -> None:
    (grid,), asked = sampled(discs)
    truth = dense(discs).labels
    assert (grid.labels == truth).mean() > 0.999
    assert asked < 0.2 * SIZE**2
    assert np.unique(truth).tolist() == [0, 1, 2]


def test_one_label_takes_the_lattice_and_the_checks() -> None:
    (grid,), asked = sampled(lambda x, y: whole(0 * x))
    assert (grid.checked, grid.wrong) == (81, 0)
    assert asked == 14**2 + 81
    assert not grid.labels.any()


def test_an_island_that_a_check_hits_is_drawn_whole_and_counted() -> None:
    """About 6 points wide, between the lines of the lattice; some seeds hit it, others do not."""

    def island(x: Points, y: Points) -> npt.NDArray[np.int64]:
        return whole((np.abs(x - 0.51) < 0.35) & (np.abs(y - 0.51) < 0.35))

    truth = dense(island).labels
    assert 25 <= truth.sum() <= 49
    found = [sampled(island, seed=seed)[0][0] for seed in range(20)]
    hits = [grid for grid in found if grid.wrong]
    assert 2 <= len(hits) < 20
    for grid in found:
        np.testing.assert_array_equal(grid.labels, truth if grid.wrong else 0 * truth)


def test_views_are_refined_side_by_side_as_by_themselves() -> None:
    (alone,), _ = sampled(discs)
    together, _ = sampled(discs, views=3)
    assert len(together) == 3
    agreement = [(grid.labels == alone.labels).mean() for grid in together]
    assert min(agreement) > 0.999


def test_the_same_generator_asks_the_same() -> None:
    first, second = (sampled(discs, seed=4)[0][0] for _ in range(2))
    np.testing.assert_array_equal(first.labels, second.labels)
    assert first.asked == second.asked


def test_noise_is_asked_point_by_point_and_nothing_twice() -> None:
    def noise(x: Points, y: Points) -> npt.NDArray[np.int64]:
        return whole(np.floor(1e3 * np.abs(np.sin(77 * x + 131 * y))) % 4)

    (grid,), asked = sampled(noise)
    truth = dense(noise).labels
    assert 0.9 * SIZE**2 < asked <= SIZE**2
    assert (grid.labels == truth).mean() > 0.95


@pytest.mark.parametrize("size", [2, 3, 9, 10, 25])
def test_small_grids_are_whole(size: int) -> None:
    oracle = FormulaOracle(discs)
    views = [PlaneView(PLANE, clip=False)]
    (grid,) = adaptive_grids(oracle, views, size, ETA, np.random.default_rng(0))
    assert grid.labels.shape == (size, size)
    assert (grid.labels == dense(discs, size).labels).mean() >= 0.97
    assert grid.asked <= size**2
    assert size > 10 or grid.asked == size**2


def test_a_clipped_view_is_asked_within_the_range() -> None:
    seen: list[float] = []

    def remember(x: Points, y: Points) -> npt.NDArray[np.int64]:
        seen.extend([float(min(x.min(), y.min())), float(max(x.max(), y.max()))])
        return whole(x > 0.5)

    views = [PlaneView(PLANE, clip=True)]
    adaptive_grids(FormulaOracle(remember), views, 20, ETA, np.random.default_rng(0))
    assert (min(seen), max(seen)) == (0.0, 1.0)
