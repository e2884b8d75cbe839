"""What is asked of oracles whose answers are checked."""

import numpy as np

from xray_gate.probing.batches import Images, Stamps

CENTRES = np.random.default_rng(1).random((4, 1, 4, 4))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def images(count: int = 40) -> Images:
    return Images(rng(2).random((count, 1, 4, 4)).astype(np.float32))


def stamps() -> Stamps:
    pixels = images(10).pixels
    return Stamps(pixels, pixels[:3, 0], pixels[5:8])
