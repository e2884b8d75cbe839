import subprocess
import sys

import numpy as np
import pytest

from benchmarks.speed import plain
from benchmarks.speed.product import Case
from benchmarks.speed.runtimes import open_runtime
from xray_gate.probing.planes import plane_through
from xray_gate.probing.regions import areas_of_triple_samples, renyi_entropy


@pytest.mark.parametrize("way", ["plain", "bare", "serving", "worker"])
def test_it_knows_nothing_of_the_product(way: str) -> None:
    code = f"import sys, benchmarks.speed.{way}; sys.exit('xray_gate' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("seed", range(5))
def test_both_scores_are_the_products_on_the_same_labels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 4, (5, 5))
    labels = np.kron(coarse, np.ones((4, 4), dtype=np.int64))
    cells = rng.integers(0, 20, (3, 2))
    true = rng.permutation(4)[:3]
    predicted = np.array([labels[tuple(cells[0])], true[1], true[2]])
    true[0] = predicted[0] if predicted[0] not in true[1:] else true[0]
    (a, b, c), (p, q, r) = true.tolist(), predicted.tolist()
    theirs = areas_of_triple_samples(labels, cells, (a, b, c), (p, q, r), 0.5)
    ours = plain.areas_of_samples(labels, [*map(tuple, cells.tolist())], true, predicted, 0.5)
    assert ours == pytest.approx(theirs, abs=1e-9)
    assert plain.renyi_entropy(labels, 10.0) == pytest.approx(renyi_entropy(labels), abs=1e-9)


def test_a_region_of_half_the_plane_counts_nothing() -> None:
    labels = np.repeat([[0], [1]], 4, axis=1)
    cells, true = [(0, 0), (1, 0), (1, 1)], np.array([0, 1, 2])
    assert plain.areas_of_samples(labels, cells, true, true, 0.5) == 0.0
    assert plain.areas_of_samples(labels, cells, true, true, 0.6) == 1.0


def test_its_points_are_the_products(case: Case) -> None:
    samples = case.plan().samples[0]
    for clip in (False, True):
        grid = plain.PlaneGrid(samples, 12, 5.0, clip=clip)
        points = plane_through(samples).points(12, 5.0, clip=clip)
        theirs = points.images(0, len(points))
        ours = np.stack([grid[i].numpy() for i in range(len(grid))])
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        assert grid.cells() == [
            tuple(cell) for cell in plane_through(samples).nearest_cells(12, 5.0).tolist()
        ]


def test_it_asks_about_every_point_in_batches_of_128(case: Case) -> None:
    model, sizes = open_runtime(case.model, "cpu", 1), []
    run = model.run

    def counted(batch: np.ndarray) -> np.ndarray:
        sizes.append(len(batch))
        found: np.ndarray = run(batch)
        return found

    model.run = counted  # type: ignore[method-assign]
    plan = case.plan()
    planes = plain.scan(model, plan)
    assert sizes == [3, *[128, 16] * 2] * 2
    assert sum(sizes) == plain.queries_of(plan)
    assert {plane.labels.shape for plane in planes.values()} == {(12, 12)}
