import numpy as np

from tests.fakes.soft_backdoors import CORNER, SlopedOracle
from xray_gate.detectors.trigger_reversal.descent import descend_from
from xray_gate.detectors.trigger_reversal.settings import ReversalSettings
from xray_gate.detectors.trigger_reversal.shrinking import ReversedTrigger
from xray_gate.probing.batches import FloatArray, Images

SETTINGS = ReversalSettings(iterations=200, success=0.95, size_weight=1e-4, learning_rate=0.1)
CENTRES = np.random.default_rng(0).random((4, 1, 8, 8))


def carrying(seed: int) -> tuple[SlopedOracle, FloatArray]:
    """A model, and images that it calls 3 for their patch alone, to the last digit."""
    images = np.random.default_rng(seed).random((20, 1, 8, 8), dtype=np.float32)
    images[:, :, *CORNER] = 1
    oracle = SlopedOracle(CENTRES, {3: CORNER}, sharpness=0.2)
    assert (oracle.probabilities(Images(images))[:, 3] > 0.9999).all()
    return oracle, images


def learned(seed: int, settings: ReversalSettings = SETTINGS) -> ReversedTrigger:
    oracle, images = carrying(seed)
    return descend_from(oracle, 3, images, settings, np.random.default_rng(seed))


def test_the_patch_lies_on_what_the_label_rests_on() -> None:
    for seed in range(4):
        found = learned(seed)
        assert found.reached
        assert found.success >= 0.95
        assert found.mask[CORNER].sum() > 0.5 * found.size
        oracle, images = carrying(seed)
        assert (oracle.labels(found.stamped(images)) != 3).mean() >= 0.95


def test_it_ends_when_the_mask_has_settled_or_after_all_steps() -> None:
    settled = ReversalSettings(
        iterations=1000, success=0.95, size_weight=1e-4, learning_rate=0.1, settled=20
    )
    assert learned(0, settled).why == "the mask has not shrunk for 20 iterations"
    assert learned(0, settled).iterations < 1000
    short = ReversalSettings(iterations=3, success=0.95)
    assert (learned(0, short).iterations, learned(0, short).why) == (
        3,
        "all 3 iterations were made",
    )


def test_a_patch_that_never_worked_says_so() -> None:
    oracle, images = carrying(0)
    oracle = SlopedOracle(CENTRES, {3: CORNER}, sharpness=0.2, false=True)
    found = descend_from(oracle, 3, images, SETTINGS, np.random.default_rng(0))
    assert not found.reached
    assert found.success < 0.95


def test_a_seed_fixes_the_patch() -> None:
    first, again, other = learned(1), learned(1), learned(2)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert not np.array_equal(first.mask, other.mask)
