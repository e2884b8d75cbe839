import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from benchmarks.lab.peers.mm_bd import Settings, detect, order_p_value, p_value
from benchmarks.lab.peers.network import Finding, Network
from tests.benchmarks.lab.peers.toys import CLASSES, nearest_centre, samples

SHORT = Settings(starts=10, steps=100)


def found(seed: int, planted: int | None) -> Finding:
    network = nearest_centre(seed, planted)
    return detect(network, samples(seed), SHORT, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("seed", "planted"), [(0, 3), (1, 7)])
def test_a_planted_class_has_a_margin_beyond_all_others(seed: int, planted: int) -> None:
    finding = found(seed, planted)

    assert finding.flagged
    assert finding.suspected == [planted]
    assert finding.score > 5


@pytest.mark.parametrize("seed", [2, 3])
def test_classes_that_differ_by_chance_only_are_not_flagged(seed: int) -> None:
    finding = found(seed, None)

    assert not finding.flagged
    assert finding.score == pytest.approx(-np.log10(finding.statistics["p_value"]))


def channel_means(images: Tensor) -> Tensor:
    return images.mean(dim=(2, 3)) * torch.tensor([100.0, 110.0, 120.0, 150.0])


def test_the_margin_is_climbed_to_the_corner_of_the_box_and_no_further() -> None:
    network = Network(channel_means, 4)

    finding = detect(
        network, torch.zeros(1, 4, 4, 4), Settings(starts=5), torch.Generator().manual_seed(0)
    )

    # White in its own channel and black in the others.
    assert finding.statistics["margin"] == pytest.approx([100, 110, 120, 150], abs=0.01)
    # The climbs end before the 300th step: the box leaves nothing to gain.
    assert finding.gradient_steps < 4 * 299
    assert network.asked > 5 * finding.gradient_steps


def test_the_order_statistic_is_uniform_where_the_distribution_is_known() -> None:
    rng = np.random.default_rng(0)
    largest = rng.gamma(30.0, 0.5, (2000, CLASSES)).max(axis=1)

    chances = [order_p_value(float(stats.gamma.sf(x, 30, scale=0.5)), CLASSES) for x in largest]

    assert stats.kstest(chances, "uniform").pvalue > 0.05


def test_the_order_statistic_keeps_its_digits_in_the_tail() -> None:
    assert order_p_value(1e-40, 10) == pytest.approx(1e-39)
    assert order_p_value(1.0, 10) == 1.0


def test_the_further_the_largest_margin_the_smaller_its_p_value() -> None:
    others = np.random.default_rng(1).gamma(30.0, 0.5, 9)

    chances = [p_value(np.append(others, most)) for most in (22.0, 30.0, 60.0)]

    assert chances[0] > chances[1] > chances[2]
    assert chances[2] < 1e-6


@pytest.mark.parametrize("margins", [[5.0, 6.0], [5.0, 5.0, 5.0, 9.0]])
def test_margins_without_spread_give_no_p_value(margins: list[float]) -> None:
    with pytest.raises(ValueError, match="no spread"):
        p_value(np.array(margins))


def test_a_network_of_more_classes_than_there_is_time_for_gets_fewer_starts() -> None:
    settings = Settings(starts=12, steps=2, labels=2)
    network = Network(channel_means, 4)

    finding = detect(network, torch.zeros(1, 4, 4, 4), settings, torch.Generator().manual_seed(0))

    assert finding.gradient_steps == 4
    # Two looks at 12 * 2 / 4 starts of four classes.
    assert network.asked == 2 * 6 * 4
