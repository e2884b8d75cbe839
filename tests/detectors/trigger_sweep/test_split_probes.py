from collections.abc import Sequence

import numpy as np
import pytest

from tests.detectors.trigger_sweep.making import RGB
from xray_gate.detectors.interface import Inconclusive
from xray_gate.detectors.trigger_sweep.detector import split_probes
from xray_gate.probing.batches import LabelArray
from xray_gate.probing.probe_set import ProbeSet


def split(
    truth: Sequence[int], predicted: Sequence[int] | None = None, seed: int = 0
) -> tuple[LabelArray, LabelArray]:
    labels = np.array(truth)
    probes = ProbeSet(np.zeros((len(labels), *RGB), np.float32), labels)
    found = split_probes(
        probes,
        labels if predicted is None else np.array(predicted),
        np.random.default_rng(seed),
    )
    return found.swept, found.held_out


@pytest.mark.parametrize(
    ("probes", "swept", "held_out"),
    [(24, 12, 12), (25, 12, 13), (95, 47, 48), (96, 48, 48), (208, 48, 160), (400, 48, 160)],
)
def test_half_are_for_the_search_up_to_a_number(probes: int, swept: int, held_out: int) -> None:
    first, second = split([i % 5 for i in range(probes)])
    assert (len(first), len(second)) == (swept, held_out)
    assert not set(first.tolist()) & set(second.tolist())


def test_wrongly_classified_probes_take_no_part() -> None:
    truth = [i % 5 for i in range(100)]
    predicted = [4 if i % 3 == 0 else label for i, label in enumerate(truth)]
    correct = {i for i in range(100) if truth[i] == predicted[i]}
    first, second = split(truth, predicted)
    assert set(first.tolist()) | set(second.tolist()) == correct


def test_classes_take_turns_in_the_search() -> None:
    truth = [0] * 100 + [1] * 60 + [2] * 20 + [3] * 3
    first, second = split(truth)
    counts = np.bincount(np.array(truth)[first], minlength=4)
    assert counts.tolist() == [15, 15, 15, 3]
    assert np.bincount(np.array(truth)[second], minlength=4)[2] == 5
    # Every beginning of them is as even, so that the first few images are, too.
    *common, rare = np.bincount(np.array(truth)[first[:16]], minlength=4).tolist()
    assert (sorted(common), rare) == ([4, 4, 5], 3)


def test_a_seed_fixes_the_split() -> None:
    truth = [i % 5 for i in range(100)]
    first, again, other = (split(truth, seed=seed)[0].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_too_few_to_split_are_inconclusive() -> None:
    with pytest.raises(Inconclusive, match="only 23 probes are classified as labelled"):
        split([i % 5 for i in range(23)])
