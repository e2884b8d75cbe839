import numpy as np
import pytest

from tests.fakes.soft_oracles import (
    BatchScaledSoftOracle,
    GivenProbabilities,
    NoisySoftOracle,
    SoftOracle,
    TwoFacedOracle,
)
from xray_gate.probing.batches import Images
from xray_gate.probing.oracle import is_soft

CENTRES = np.eye(3).reshape(3, 3, 1, 1)
THREE = Images(CENTRES.astype(np.float32))


def test_probabilities_are_those_of_the_nearest_centres() -> None:
    oracle = SoftOracle(CENTRES, sharpness=1.0)
    rows = oracle.probabilities(THREE)
    near, far = np.array([1.0, np.exp(-2.0)]) / (1 + 2 * np.exp(-2.0))
    np.testing.assert_allclose(rows, np.where(np.eye(3), near, far), rtol=1e-6)
    assert rows.dtype == np.float32
    assert oracle.labels(THREE).tolist() == rows.argmax(axis=1).tolist() == [0, 1, 2]


def test_both_kinds_of_questions_are_counted() -> None:
    oracle = SoftOracle(CENTRES)
    oracle.labels(THREE)
    oracle.probabilities(THREE.take(np.array([1])))
    assert (oracle.batches, oracle.soft_batches, oracle.queries) == ([3], [1], 4)
    assert is_soft(oracle)


def test_noise_changes_the_answers() -> None:
    oracle = NoisySoftOracle(CENTRES, np.random.default_rng(0), noise=0.5)
    assert (oracle.probabilities(THREE) != oracle.probabilities(THREE)).all()


def test_batch_scaling_leaves_a_lone_image_alone() -> None:
    oracle, sound = BatchScaledSoftOracle(CENTRES), SoftOracle(CENTRES)
    one = THREE.take(np.array([1]))
    np.testing.assert_array_equal(oracle.probabilities(one), sound.probabilities(one))
    twice = oracle.probabilities(THREE.take(np.array([1, 1])))
    np.testing.assert_allclose(twice, 1 / 3, rtol=1e-6)


@pytest.mark.parametrize(
    ("lie", "labels", "likeliest"),
    [("labels", [1, 2, 0], [0, 1, 2]), ("probabilities", [0, 1, 2], [1, 2, 0])],
)
def test_two_faces_differ(lie: str, labels: list[int], likeliest: list[int]) -> None:
    oracle = TwoFacedOracle(CENTRES, lie)
    assert oracle.labels(THREE).tolist() == labels
    assert oracle.probabilities(THREE).argmax(axis=1).tolist() == likeliest


def test_given_rows_are_said_to_everything() -> None:
    assert GivenProbabilities([0.5, 0.5], 2).probabilities(THREE).tolist() == [[0.5, 0.5]] * 3
    short = GivenProbabilities([0.5, 0.5], 2, rows=1)
    assert short.probabilities(THREE).shape == (1, 2)
