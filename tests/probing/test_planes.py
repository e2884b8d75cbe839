import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.brute_force import axis_values, sample_coordinates
from tests.fakes.oracles import RegionsOracle
from xray_gate.core.errors import ScanError
from xray_gate.probing.batches import FloatArray, Images
from xray_gate.probing.planes import NoPlane, choose_triples, draw_planes, plane_through
from xray_gate.probing.probe_set import ProbeSet

SHAPE = (3, 8, 8)
reproducible = settings(derandomize=True, max_examples=30, deadline=None)
seeds = st.integers(0, 10_000)


def random_samples(seed: int, shape: tuple[int, int, int] = SHAPE) -> FloatArray:
    return np.random.default_rng(seed).random((3, *shape)).astype(np.float32)


def right_triangle() -> FloatArray:
    """Three samples with x2 - x1 orthogonal to x3 - x1, which lie on grid points for size 12."""
    samples = np.full((3, 1, 2, 2), 0.25, dtype=np.float32)
    samples[1, 0, 0, 0] = 0.75
    samples[2, 0, 1, 1] = 0.5
    return samples


@reproducible
@given(seeds)
def test_the_basis_is_orthonormal(seed: int) -> None:
    plane = plane_through(random_samples(seed))
    a, b = plane.a.ravel().astype(np.float64), plane.b.ravel().astype(np.float64)
    assert a @ a == pytest.approx(1.0, abs=1e-6)
    assert b @ b == pytest.approx(1.0, abs=1e-6)
    assert a @ b == pytest.approx(0.0, abs=1e-6)


@reproducible
@given(seeds)
def test_coordinates_are_inner_products_with_the_basis(seed: int) -> None:
    samples = random_samples(seed)
    plane = plane_through(samples)
    offsets = (samples - samples[0]).reshape(3, -1).astype(np.float64)
    basis = np.stack([plane.a.ravel(), plane.b.ravel()], axis=1)
    np.testing.assert_allclose(plane.corners, offsets @ basis, atol=1e-5)
    assert plane.corners[0].tolist() == [0.0, 0.0]
    assert plane.corners[1, 1] == 0.0
    assert plane.corners[2, 1] > 0.0


@reproducible
@given(seeds)
def test_coordinates_give_the_samples_back(seed: int) -> None:
    samples = random_samples(seed)
    plane = plane_through(samples)
    offsets = np.einsum("k,chw->kchw", plane.corners[:, 0], plane.a)
    offsets += np.einsum("k,chw->kchw", plane.corners[:, 1], plane.b)
    np.testing.assert_allclose(plane.origin + offsets, samples, atol=1e-5)


@reproducible
@given(seeds)
def test_geometry_is_that_of_the_brute_force(seed: int) -> None:
    samples = random_samples(seed, (1, 4, 4))
    plane = plane_through(samples)
    corners, e1, e2 = sample_coordinates(*samples.reshape(3, -1).tolist())
    np.testing.assert_allclose(plane.corners, corners, atol=1e-9)
    np.testing.assert_allclose(plane.a.ravel(), e1, atol=1e-6)
    np.testing.assert_allclose(plane.b.ravel(), e2, atol=1e-6)
    u, v = plane.axes(7, 5.0)
    np.testing.assert_allclose(u, axis_values([c[0] for c in corners], 7, 5.0), atol=1e-9)
    np.testing.assert_allclose(v, axis_values([c[1] for c in corners], 7, 5.0), atol=1e-9)


def test_axes_end_eta_lengths_beyond_the_bounding_box() -> None:
    u, v = plane_through(right_triangle()).axes(12, eta=5.0)
    assert (len(u), len(v)) == (12, 12)
    assert (u[0], u[-1]) == pytest.approx((-2.5, 3.0))
    assert (v[0], v[-1]) == pytest.approx((-1.25, 1.5))
    np.testing.assert_allclose(np.diff(u), 0.5)


def test_without_eta_the_grid_is_the_bounding_box() -> None:
    u, v = plane_through(right_triangle()).axes(3, eta=0.0)
    np.testing.assert_allclose(u, [0.0, 0.25, 0.5])
    np.testing.assert_allclose(v, [0.0, 0.125, 0.25])


def test_u_runs_along_a_row_and_v_from_row_to_row() -> None:
    points = plane_through(right_triangle()).points(12, 5.0, clip=False)
    grid = points.coordinates.reshape(12, 12, 2)
    assert len(points) == 144
    assert (grid[:, :, 0] == grid[:1, :, 0]).all()
    assert (grid[:, :, 1] == grid[:, :1, 1]).all()
    assert (np.diff(grid[0, :, 0]) > 0).all()
    assert (np.diff(grid[:, 0, 1]) > 0).all()


@pytest.mark.parametrize("clip", [False, True])
def test_the_grid_point_nearest_a_sample_on_the_grid_is_that_sample(clip: bool) -> None:
    samples = right_triangle()
    plane = plane_through(samples)
    cells = plane.nearest_cells(12, 5.0)
    images = plane.points(12, 5.0, clip).images(0, 144).reshape(12, 12, 1, 2, 2)
    assert cells.tolist() == [[5, 5], [5, 6], [6, 5]]
    np.testing.assert_allclose(images[tuple(cells.T)], samples, atol=1e-5)


def test_precision_holds_a_hundred_pixel_distances_away() -> None:
    rng = np.random.default_rng(3)
    samples = rng.integers(0, 2, (3, 3, 64, 64)).astype(np.float32)
    plane = plane_through(samples)
    size = 100
    u, v = plane.axes(size, 5.0)
    assert max(abs(u).max(), abs(v).max()) > 400
    far = plane.points(size, 5.0, clip=False).images(size * size - 1, size * size)[0]
    _, e1, e2 = sample_coordinates(*samples.reshape(3, -1).tolist())
    exact = samples[0].ravel() + u[-1] * np.array(e1) + v[-1] * np.array(e2)
    np.testing.assert_allclose(far.ravel(), exact, atol=1e-5)


def test_valid_points_stay_in_range_and_are_the_others_clipped() -> None:
    plane = plane_through(random_samples(0))
    unclipped = plane.points(9, 5.0, clip=False).images(0, 81)
    valid = plane.points(9, 5.0, clip=True).images(0, 81)
    assert unclipped.min() < -0.5
    assert unclipped.max() > 1.5
    np.testing.assert_array_equal(valid, unclipped.clip(0.0, 1.0))


def test_samples_on_grid_points_have_the_labels_of_the_samples() -> None:
    samples = right_triangle()
    oracle = RegionsOracle(samples, labels=[7, 2, 5])
    plane = plane_through(samples)
    size = 100  # 99 steps over 11 lengths, so that the samples lie on grid points
    labels = oracle.labels(plane.points(size, 5.0, clip=False)).reshape(size, size)
    at_samples = labels[tuple(plane.nearest_cells(size, 5.0).T)]
    assert at_samples.tolist() == oracle.labels(Images(samples)).tolist() == [7, 2, 5]


@pytest.mark.parametrize("same", [(0, 1), (0, 2), (1, 2)])
def test_equal_samples_span_no_plane(same: tuple[int, int]) -> None:
    samples = random_samples(1)
    samples[same[1]] = samples[same[0]]
    with pytest.raises(NoPlane, match="give probes that all differ"):
        plane_through(samples)


def test_samples_on_a_line_span_no_plane() -> None:
    samples = random_samples(2)
    samples[2] = 0.5 * (samples[0] + samples[1])
    with pytest.raises(NoPlane, match="on one line"):
        plane_through(samples)


def test_one_grey_level_off_the_line_is_enough_for_a_plane() -> None:
    samples = np.zeros((3, 1, 2, 2), dtype=np.float32)
    samples[1, 0, 0, 0] = 1.0
    samples[2, 0, 0, 0] = 0.5
    samples[2, 0, 1, 1] = 1 / 255
    plane = plane_through(samples)
    assert float(np.sum(plane.a * plane.b)) == pytest.approx(0.0, abs=1e-7)


@reproducible
@given(seeds, st.integers(3, 6))
def test_triples_have_pairwise_different_labels(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, 20)])
    triples = choose_triples(labels, 25, rng)
    assert triples.shape == (25, 3)
    assert triples.dtype == np.int64
    assert all(len(set(row)) == 3 for row in labels[triples].tolist())


def test_a_seed_fixes_the_triples() -> None:
    labels = np.arange(40) % 10
    first, second, other = (
        choose_triples(labels, 9, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_rare_classes_are_drawn_as_often_as_common_ones() -> None:
    labels = np.array([0] * 97 + [1, 2, 3])
    triples = choose_triples(labels, 400, np.random.default_rng(0))
    assert np.bincount(labels[triples].ravel()).min() > 250


def test_two_classes_hold_no_triple() -> None:
    with pytest.raises(NoPlane, match="three classes") as caught:
        choose_triples(np.array([4, 9, 4]), 1, np.random.default_rng(0))
    assert isinstance(caught.value, ScanError)


def test_triples_that_span_no_plane_are_drawn_again() -> None:
    images = random_samples(4, (1, 4, 4))
    images = np.concatenate([images, images[:1]])
    probes = ProbeSet(images, np.array([0, 1, 2, 3]))
    planes = draw_planes(probes, 30, np.random.default_rng(0))
    assert len(planes) == 30
    assert not any({0, 3} <= set(triple.tolist()) for triple, _ in planes)


def test_probes_that_are_all_equal_hold_no_plane() -> None:
    probes = ProbeSet(np.full((4, 1, 4, 4), 0.5, np.float32), np.arange(4))
    with pytest.raises(NoPlane, match="differ from each other"):
        draw_planes(probes, 2, np.random.default_rng(0))


def test_planes_belong_to_their_triples() -> None:
    images = np.random.default_rng(5).random((12, *SHAPE)).astype(np.float32)
    probes = ProbeSet(images, np.arange(12) % 4)
    for triple, plane in draw_planes(probes, 5, np.random.default_rng(0)):
        np.testing.assert_array_equal(plane.origin, images[triple[0]])
        distance = np.linalg.norm(images[triple[1]] - images[triple[0]])
        assert plane.corners[1, 0] == pytest.approx(distance, rel=1e-5)
