"""Images, worlds of classes and triggers for the tests of the trigger sweep."""

from collections.abc import Callable, Sequence

import numpy as np

from xray_gate.detectors.trigger_sweep.candidates import Candidate
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.families.interface import Rung, Scene
from xray_gate.detectors.trigger_sweep.families.local import PatchTrigger
from xray_gate.detectors.trigger_sweep.families.patterns import smooth_field
from xray_gate.probing.batches import FloatArray, LabelArray
from xray_gate.probing.probe_set import ProbeSet

Shape = tuple[int, int, int]
RGB: Shape = (3, 16, 16)
# Every family at every dose.
RUNGS = [(name, rung) for name, family in ALL_FAMILIES.items() for rung in family.rungs]
RUNG_IDS = [f"{name}-{rung.dose:.3g}" for name, rung in RUNGS]


def noise_images(count: int, shape: Shape = RGB, seed: int = 0) -> FloatArray:
    """Uniform noise."""
    return np.random.default_rng(seed).random((count, *shape), dtype=np.float32)


def smooth_images(count: int, shape: Shape = RGB, seed: int = 0) -> FloatArray:
    """Smooth fields between 0.2 and 0.8."""
    rng = np.random.default_rng(seed)
    return np.stack([0.5 + 0.3 * smooth_field(shape, 4, rng) for _ in range(count)])


def scene(shape: Shape = RGB, seed: int = 0) -> Scene:
    """A scene whose samples are noise."""
    return Scene(shape, noise_images(4, shape, seed), np.arange(4))


def world(
    classes: int, each: int, shape: Shape = RGB, noise: float = 0.03, seed: int = 0
) -> tuple[FloatArray, ProbeSet]:
    """Class centres, and noisy samples of them in turn, none brighter than 0.95."""
    rng = np.random.default_rng(seed)
    centres = smooth_images(classes, shape, seed)
    labels = np.arange(classes * each) % classes
    samples = centres[labels] + rng.normal(0, noise, (len(labels), *shape))
    return centres, ProbeSet(np.clip(samples, 0.05, 0.95).astype(np.float32), labels)


def white_square(top: int, left: int, side: int = 2, shape: Shape = RGB) -> PatchTrigger:
    """A white patch of `side` pixels."""
    patch = np.ones((shape[0], side, side), np.float32)
    return PatchTrigger(side / min(shape[1:]), shape, "white", patch, top, left)


def with_allowance(
    count: int, allowed: float | Sequence[float], shape: Shape = RGB, seed: int = 0
) -> list[Candidate]:
    """Random patches of a quarter of the side; `allowed`, or its three parts, is what may move."""
    to_one, anywhere, from_one = (allowed,) * 3 if isinstance(allowed, float) else allowed
    rung = Rung(1 / 4, 1, to_one, anywhere, from_one)
    rng = np.random.default_rng(seed)
    side = min(shape[1:]) // 4
    made = []
    for _ in range(count):
        patch = rng.random((shape[0], side, side), dtype=np.float32)
        top, left = (int(rng.integers(size - side + 1)) for size in shape[1:])
        made.append(
            Candidate("patch", rung, PatchTrigger(1 / 4, shape, "random", patch, top, left))
        )
    return made


def next_label(classes: int) -> Callable[[LabelArray], LabelArray]:
    """Each label becomes the next one."""
    return lambda labels: (labels + 1) % classes


def to_label(label: int) -> Callable[[LabelArray], LabelArray]:
    """All become `label`."""
    return lambda labels: np.full_like(labels, label)


def from_one(source: int, label: int) -> Callable[[LabelArray], LabelArray]:
    """`source` becomes `label`, the others stay."""
    return lambda labels: np.where(labels == source, label, labels)
