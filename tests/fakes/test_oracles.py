import numpy as np
import pytest

from tests.fakes.oracles import (
    BatchScaledOracle,
    NotANumberOracle,
    OneLabelOracle,
    RandomOracle,
    RegionsOracle,
    RowMixingOracle,
    StatefulOracle,
)
from xray_gate.core.errors import ModelAnswerError
from xray_gate.probing.batches import Images

CENTRES = np.eye(3).reshape(3, 3, 1, 1)
THREE = Images(CENTRES.astype(np.float32))


def test_regions_are_those_of_the_nearest_centre() -> None:
    oracle = RegionsOracle(CENTRES, labels=[4, 2, 0])
    near = Images(np.array([[0.1, 0.9, 0.2], [0.5, 0.4, 0.4]], np.float32).reshape(2, 3, 1, 1))
    assert oracle.labels(near).tolist() == [2, 4]
    assert oracle.classes == 5


def test_regions_count_every_question() -> None:
    oracle = RegionsOracle(CENTRES)
    oracle.labels(THREE)
    oracle.labels(THREE.take(np.array([1])))
    assert (oracle.queries, oracle.batches) == (4, [3, 1])


def test_one_label_is_said_to_everything() -> None:
    assert OneLabelOracle(5, label=3).labels(THREE).tolist() == [3, 3, 3]


def test_random_answers_change() -> None:
    oracle = RandomOracle(10, np.random.default_rng(0))
    many = THREE.take(np.zeros(50, dtype=np.int64))
    assert len(set(oracle.labels(many).tolist())) > 1


def test_mixed_rows_depend_on_the_row_before_them() -> None:
    oracle = RowMixingOracle(np.concatenate([CENTRES, 2 * CENTRES[:1]]))
    twice = oracle.labels(THREE.take(np.array([0, 0])))
    assert twice.tolist() == [0, 3]


def test_batch_scaling_leaves_a_lone_image_alone() -> None:
    oracle = BatchScaledOracle(np.concatenate([CENTRES, 0 * CENTRES[:1]]))
    assert oracle.labels(THREE.take(np.array([1]))).tolist() == [1]
    assert oracle.labels(THREE.take(np.array([1, 1]))).tolist() == [3, 3]


def test_state_turns_the_labels_round() -> None:
    oracle = StatefulOracle(CENTRES, queries_until=3)
    assert oracle.labels(THREE).tolist() == [0, 1, 2]
    assert oracle.labels(THREE).tolist() == [2, 1, 0]


def test_not_a_number_is_raised_once_the_good_answers_are_used_up() -> None:
    oracle = NotANumberOracle(3, answers=1)
    assert oracle.labels(THREE).tolist() == [0, 1, 2]
    with pytest.raises(ModelAnswerError, match="NaN"):
        oracle.labels(THREE)
