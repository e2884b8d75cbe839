import numpy as np
import pytest

from xray_gate.detectors.trigger_reversal.search_distribution import (
    Losses,
    SearchDistribution,
    TriggerSamples,
    squashed,
    unsquashed,
)

SHAPE = (3, 4, 5)


def distribution(seed: int = 0) -> SearchDistribution:
    rng = np.random.default_rng(seed)
    return SearchDistribution(0.5 * rng.standard_normal(SHAPE[1:]), rng.standard_normal(SHAPE), 0.1)


def test_squashed_lies_between_0_and_1_and_unsquashed_is_the_way_back() -> None:
    values = np.linspace(-3, 3, 31)
    between = squashed(values)
    assert between.min() > 0
    assert between.max() < 1
    assert squashed(np.zeros(1))[0] == 0.5
    np.testing.assert_allclose(unsquashed(between.astype(np.float32)), values, atol=1e-2)
    assert np.isfinite(unsquashed(np.array([0.0, 1.0], np.float32))).all()


def test_masks_are_zeros_and_ones_under_the_pattern_as_it_is() -> None:
    found = distribution().sample_masks(7, np.random.default_rng(1))
    assert len(found) == 7
    assert found.masks.shape == (7, 4, 5)
    assert set(np.unique(found.masks)) <= {0.0, 1.0}
    assert found.patterns.shape == (7, *SHAPE)
    np.testing.assert_array_equal(found.patterns[3], distribution().pattern)


def test_masks_are_drawn_with_their_pixels_chances() -> None:
    own = distribution()
    drawn = own.sample_masks(20_000, np.random.default_rng(0)).masks.mean(axis=0)
    np.testing.assert_allclose(drawn, own.mask, atol=0.02)


@pytest.mark.parametrize("count", [6, 7])
def test_patterns_come_in_pairs_around_the_pattern_as_it_is(count: int) -> None:
    own = distribution()
    found = own.sample_patterns(count, np.random.default_rng(1))
    assert found.patterns.shape == (count, *SHAPE)
    assert ((found.patterns >= 0) & (found.patterns <= 1)).all()
    np.testing.assert_array_equal(found.masks[0], own.mask)
    np.testing.assert_array_equal(found.noise[0], -found.noise[-(-count // 2)])


def linear_losses(found: TriggerSamples, weights: Losses) -> Losses:
    """A loss that is linear in the mask."""
    losses: Losses = np.einsum("khw,hw->k", found.masks.astype(np.float64), weights)
    return losses


def test_the_masks_gradient_is_that_of_the_expected_loss() -> None:
    """Of a loss linear in the mask it is known: weights times the chance's slope, 2 g (1 - g)."""
    own = distribution()
    weights = np.random.default_rng(5).standard_normal(SHAPE[1:])
    found = own.sample_masks(60_000, np.random.default_rng(2))
    gradient = own.mask_gradient(found, linear_losses(found, weights))
    chance = squashed(own.theta_mask)
    np.testing.assert_allclose(gradient, weights * 2 * chance * (1 - chance), atol=0.05)


def test_the_patterns_gradient_is_that_of_the_expected_loss() -> None:
    """Of a loss linear in the pattern, for a small sigma: weights times the slope of g."""
    own = SearchDistribution(np.zeros(SHAPE[1:]), np.random.default_rng(3).standard_normal(SHAPE))
    weights = np.random.default_rng(5).standard_normal(SHAPE)
    found = own.sample_patterns(160_000, np.random.default_rng(2))
    losses = np.einsum("kchw,chw->k", found.patterns.astype(np.float64), weights)
    slope = 0.5 * (1 - np.tanh(own.theta_pattern) ** 2)
    np.testing.assert_allclose(own.pattern_gradient(found, losses), weights * slope, atol=0.05)


@pytest.mark.parametrize("added", [0.0, 100.0])
def test_what_all_samples_share_does_not_move_the_gradient(added: float) -> None:
    own = distribution()
    found = own.sample_masks(10, np.random.default_rng(0))
    losses = np.arange(10.0)
    np.testing.assert_allclose(
        own.mask_gradient(found, losses + added), own.mask_gradient(found, losses), atol=1e-9
    )


def test_the_size_has_the_slope_of_the_masks_sum() -> None:
    own, step = distribution(), 1e-6
    slope = own.size_gradient()
    for at in np.ndindex(slope.shape):
        theta = own.theta_mask.copy()
        theta[at] += step
        grown = squashed(theta).sum() - squashed(own.theta_mask).sum()
        assert slope[at] == pytest.approx(grown / step, rel=1e-3)


def test_a_seed_fixes_the_samples() -> None:
    own = distribution()
    for draw in (own.sample_masks, own.sample_patterns):
        first, again = (draw(4, np.random.default_rng(9)) for _ in range(2))
        np.testing.assert_array_equal(first.masks, again.masks)
        np.testing.assert_array_equal(first.patterns, again.patterns)
