"""Learning a patch by gradients (DTInspector, Wang et al., section 3.2).

    minimise over mask and pattern   mean over images of -log(1 - p(label)) + lambda * |mask|_1

The paper writes the square error (1 - p)^2. Where a model is sure to the last digit, as it is of
images with a trigger, that one is flat: the mask then vanishes before anything was learned. The
cross-entropy of "any other label" has the same minimum, and a slope there.
"""

import numpy as np

from xray_gate.detectors.trigger_reversal.adam import Adam
from xray_gate.detectors.trigger_reversal.search_distribution import SearchDistribution, unsquashed
from xray_gate.detectors.trigger_reversal.settings import ReversalSettings
from xray_gate.detectors.trigger_reversal.shrinking import ReversedTrigger, Shrinking
from xray_gate.probing.batches import FloatArray, Stamps
from xray_gate.probing.oracle import GradientOracle, Slopes


def descend_from(
    oracle: GradientOracle,
    label: int,
    images: FloatArray,
    settings: ReversalSettings,
    rng: np.random.Generator,
) -> ReversedTrigger:
    """The smallest patch under which `images` are no longer given `label`.

    `images` float32 (n, channels, height, width) in [0, 1], all predicted as `label`, are looked at
    together in each of at most `settings.iterations` steps: n questions each. The same state of
    `rng` gives the same patch.
    """
    shape = images.shape[1:]
    mask = unsquashed(np.full(shape[1:], settings.first_chance, np.float32))
    now = SearchDistribution(mask, 0.1 * rng.standard_normal(shape))
    mask_adam, pattern_adam = Adam(settings.learning_rate), Adam(settings.learning_rate)
    account = Shrinking(settings, looked_at=1)
    while account.why is None:
        found = oracle.slopes(Stamps(images, now.mask[None], now.pattern[None]), label)
        account.tell(float((found.probabilities.argmax(axis=1) != label).mean()), now)
        by_pixel = _loss_by_pixel(found, label)
        by_mask = (by_pixel * (now.pattern - images)).sum(axis=(0, 1))
        by_pattern = (by_pixel * now.mask).sum(axis=0)
        mask_slope, pattern_slope = now.slopes()
        now = SearchDistribution(
            mask_adam.step(now.theta_mask, (by_mask + account.size_weight) * mask_slope),
            pattern_adam.step(now.theta_pattern, by_pattern * pattern_slope),
        )
    return account.found(now)


def _loss_by_pixel(found: Slopes, label: int) -> FloatArray:
    """Of the mean loss: the derivative of -log(1 - p) by the log-odds of p is p."""
    weights = found.probabilities[:, label] / np.float32(len(found.probabilities))
    by_pixel: FloatArray = weights[:, None, None, None] * found.log_odds
    return by_pixel
