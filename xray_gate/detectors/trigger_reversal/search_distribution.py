"""A distribution over triggers, and the gradient of an expected loss by its samples alone.

B3D (Dong et al., ICCV 2021), Eq. 3 to 6: a mask m ~ Bern(g(theta_m)) and a pattern p = g(p'),
p' ~ N(theta_p, sigma^2), with g(x) = (tanh(x) + 1) / 2. Ours, to lower the variance without a bias:
each sample's loss is taken relative to the mean of the others, and Gaussian samples come in pairs
of opposite sign.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xray_gate.probing.batches import FloatArray

Losses = npt.NDArray[np.float64]
Parameters = npt.NDArray[np.float64]


def squashed(values: Parameters) -> Parameters:
    """The g of Eq. 4: any real number to [0, 1]."""
    return 0.5 * (np.tanh(values) + 1)


def unsquashed(values: FloatArray) -> Parameters:
    """The inverse of `squashed`; 0 and 1 come back as finite numbers."""
    return np.arctanh(np.clip(2 * np.asarray(values, np.float64) - 1, -0.999, 0.999))


@dataclass(frozen=True, eq=False)
class TriggerSamples:
    """Candidate triggers: `masks` float32 (k, height, width) and `patterns` (k, channels, ...).

    `noise` is what they were drawn with, as the gradient needs it.
    """

    masks: FloatArray
    patterns: FloatArray
    noise: Parameters

    def __len__(self) -> int:
        return len(self.masks)


@dataclass(frozen=True, eq=False)
class SearchDistribution:
    """Eq. 4, with one mask for all channels.

    `theta_mask` float64 (height, width), `theta_pattern` (channels, height, width); `sigma` is the
    pattern's standard deviation before g.
    """

    theta_mask: Parameters
    theta_pattern: Parameters
    sigma: float = 0.1

    @property
    def mask(self) -> FloatArray:
        """The soft mask g(theta_m), float32 (height, width) in [0, 1]."""
        return squashed(self.theta_mask).astype(np.float32)

    @property
    def pattern(self) -> FloatArray:
        """The pattern g(theta_p), float32 (channels, height, width) in [0, 1]."""
        return squashed(self.theta_pattern).astype(np.float32)

    def sample_masks(self, count: int, rng: np.random.Generator) -> TriggerSamples:
        """`count` masks of zeros and ones, under the pattern as it is."""
        chances = squashed(self.theta_mask)
        masks = rng.random((count, *chances.shape)) < chances
        patterns = np.broadcast_to(self.pattern, (count, *self.theta_pattern.shape))
        return TriggerSamples(masks.astype(np.float32), patterns, masks - chances)

    def sample_patterns(self, count: int, rng: np.random.Generator) -> TriggerSamples:
        """`count` patterns, in pairs of opposite sign, under the soft mask as it is."""
        half = rng.standard_normal((-(-count // 2), *self.theta_pattern.shape))
        noise = np.concatenate([half, -half])[:count]
        patterns = squashed(self.theta_pattern + self.sigma * noise).astype(np.float32)
        masks = np.broadcast_to(self.mask, (count, *self.theta_mask.shape))
        return TriggerSamples(masks, patterns, noise)

    def mask_gradient(self, samples: TriggerSamples, losses: Losses) -> Parameters:
        """Eq. 5 for `samples` of `sample_masks` and their `losses` (k,)."""
        gradient = np.tensordot(_relative(losses), samples.noise, axes=1)
        return np.asarray(2 * gradient / len(samples), np.float64)

    def pattern_gradient(self, samples: TriggerSamples, losses: Losses) -> Parameters:
        """Eq. 6 for `samples` of `sample_patterns` and their `losses` (k,)."""
        gradient = np.tensordot(_relative(losses), samples.noise, axes=1)
        return np.asarray(gradient / (len(samples) * self.sigma), np.float64)

    def size_gradient(self) -> Parameters:
        """Of the expected L1 norm of the mask: exact, so no sample is spent on it."""
        return _slope(self.theta_mask)

    def slopes(self) -> tuple[Parameters, Parameters]:
        """The derivatives of `mask` by `theta_mask` and of `pattern` by `theta_pattern`."""
        return _slope(self.theta_mask), _slope(self.theta_pattern)


def _slope(values: Parameters) -> Parameters:
    """The derivative of `squashed`."""
    slope: Parameters = 0.5 * (1 - np.tanh(values) ** 2)
    return slope


def _relative(losses: Losses) -> Losses:
    """Each loss less the mean of the others: unbiased, since no sample is its own baseline."""
    count = len(losses)
    relative: Losses = (losses - losses.mean()) * (count / max(1, count - 1))
    return relative
