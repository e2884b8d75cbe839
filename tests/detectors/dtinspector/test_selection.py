import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.soft_oracles import SoftOracle
from xray_gate.detectors.dtinspector.selection import Predictions, predict_all
from xray_gate.probing.batches import Images
from xray_gate.probing.training_data import open_training_data

reproducible = settings(derandomize=True, deadline=None, max_examples=100)


@reproducible
@given(
    st.lists(st.sampled_from([0.0, 1e-30, 0.25, 0.5]), min_size=1, max_size=60), st.integers(1, 9)
)
def test_the_most_and_the_least_confident_are_taken(doubt: list[float], count: int) -> None:
    labels = np.zeros(len(doubt), np.int64)
    found = Predictions(labels, np.array(doubt, np.float32), 1.0, classes=1)
    chosen = found.chosen(0, count)
    high, held_back, low = chosen.confident, chosen.held_back, chosen.unconfident
    assert len(high) == len(low) == min(count, 2 * len(doubt) // 5)
    assert len(held_back) == len(high) // 2
    assert len({*high, *held_back, *low}) == len(high) + len(held_back) + len(low)
    ranked = found.doubt[high], found.doubt[held_back], found.doubt[low]
    rest = np.delete(found.doubt, np.concatenate([high, held_back, low]))
    for surer, less_sure in itertools.pairwise([ranked[0], ranked[1], rest, ranked[2]]):
        assert max(surer, default=0) <= min(less_sure, default=1)


def test_only_samples_of_the_label_are_taken_in_order_of_their_rows() -> None:
    labels = np.array([1, 0, 1, 0, 1, 1, 1])
    doubt = np.array([0.1, 0.01, 0.5, 0.6, 0.4, 0.05, 0.2], np.float32)
    chosen = Predictions(labels, doubt, 1.0, classes=2).chosen(1, 2)
    assert chosen.confident.tolist() == [0, 5]
    assert chosen.held_back.tolist() == [6]
    assert chosen.unconfident.tolist() == [2, 4]
    assert Predictions(labels, doubt, 1.0, classes=8).chosen(7, 2).confident.tolist() == []


@pytest.mark.parametrize("count", [5, 1030])
def test_every_sample_is_asked_about_once(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    images = rng.random((count, 1, 2, 2), dtype=np.float32)
    oracle = SoftOracle(rng.random((4, 1, 2, 2)))
    labels = oracle.labels(Images(images))
    wrong = labels.copy()
    wrong[0] = (wrong[0] + 1) % 4
    np.savez(tmp_path / "t.npz", images=images, labels=wrong)
    told: list[int] = []
    oracle.batches.clear()
    found = predict_all(oracle, open_training_data(tmp_path / "t.npz"), told.append)
    np.testing.assert_array_equal(found.labels, labels)
    surest = oracle.probabilities(Images(images)).max(axis=1)
    np.testing.assert_allclose(found.doubt, 1 - surest, atol=1e-6)
    assert found.accuracy == pytest.approx(1 - 1 / count)
    assert told[-1] == count
    assert sum(oracle.soft_batches) == 2 * count


def test_samples_whose_confidence_rounds_to_one_are_told_apart(tmp_path: Path) -> None:
    centres = np.array([[[[0.0]]], [[[1.0]]]])
    images = np.array([0.0, 0.1, 0.05, 1.0], np.float32).reshape(4, 1, 1, 1)
    np.savez(tmp_path / "t.npz", images=images, labels=np.array([0, 0, 0, 1]))
    oracle = SoftOracle(centres, sharpness=60.0)
    found = predict_all(oracle, open_training_data(tmp_path / "t.npz"), lambda done: None)
    assert (oracle.probabilities(Images(images[:3])).max(axis=1) == 1).all()
    chosen = found.chosen(0, 1)
    assert (chosen.confident.tolist(), chosen.unconfident.tolist()) == ([0], [1])
