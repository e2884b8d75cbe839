"""Images for B3D-SS: noise, pushed by queries until the model sees every class in it.

Dong et al., ICCV 2021, section 3.4. Where nearly all images were of one class for the model, a tiny
trigger would seem to do for that class.
"""

import numpy as np

from xray_gate.detectors.interface import Inconclusive
from xray_gate.probing.batches import FloatArray, Images, LabelArray
from xray_gate.probing.oracle import SoftLabelOracle

# The paper has random images for 32x32 pixels and none for 224x224, where they do not help.
_LARGEST_SIDE = 64
# The paper has 100 a class; ours are fewer, for a CPU.
_PER_CLASS = 20
_STEPS = 40
_SAMPLES = 50
_SIGMA = 0.1
_RATE = 0.1
# Of the images, so many must reach their class.
_ENOUGH = 0.5


def check_size(shape: tuple[int, ...]) -> None:
    """Raise `Inconclusive` for images on which random ones are known to be no help."""
    if max(shape[1:]) > _LARGEST_SIDE:
        raise Inconclusive(
            f"synthetic images do not help at {shape[1]}x{shape[2]} pixels, where random ones look "
            "like nothing to a model (B3D, Appendix B); set images to probes"
        )


def synthetic_queries(classes: int) -> int:
    """What `synthetic_images` asks at most."""
    return classes * _PER_CLASS * _STEPS * (_SAMPLES + 1)


def synthetic_images(
    oracle: SoftLabelOracle, shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[FloatArray, LabelArray]:
    """Images float32 (n, *shape) in [0, 1] and the model's labels, int64 (n,), all classes in turn.

    Uniform noise goes along Eq. 7 towards its class, with the gradient's direction and a step of
    fixed length (the paper names none). Those that do not get there are left out. Raises
    `Inconclusive` where most do not.
    """
    wanted = np.tile(np.arange(oracle.classes), _PER_CLASS)
    images = rng.random((len(wanted), *shape), dtype=np.float32)
    reached = np.zeros(len(wanted), dtype=np.bool_)
    for _ in range(_STEPS):
        rows = np.flatnonzero(~reached)
        if len(rows) == 0:
            break
        now = oracle.probabilities(Images(images[rows]))
        reached[rows] = now.argmax(axis=1) == wanted[rows]
        for row in np.flatnonzero(~reached):
            images[row] = _pushed(oracle, images[row], int(wanted[row]), rng)
    if reached.mean() < _ENOUGH:
        raise Inconclusive(
            f"only {int(reached.sum())} of {len(wanted)} synthetic images reach the class that "
            "they are to stand for; set images to probes"
        )
    return images[reached], wanted[reached]


def _pushed(
    oracle: SoftLabelOracle, image: FloatArray, label: int, rng: np.random.Generator
) -> FloatArray:
    half = rng.standard_normal((_SAMPLES // 2, *image.shape), dtype=np.float32)
    noise = np.concatenate([half, -half])
    around = np.clip(image + _SIGMA * noise, 0, 1).astype(np.float32)
    chances = oracle.probabilities(Images(around))[:, label].astype(np.float64)
    losses = -np.log(np.maximum(chances, 1e-12))
    gradient = np.tensordot(losses - losses.mean(), noise, axes=1)
    length = float(np.abs(gradient).mean())
    if length == 0:
        return image
    return np.asarray(np.clip(image - _RATE * gradient / length, 0, 1), np.float32)
