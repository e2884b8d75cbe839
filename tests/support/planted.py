"""A real ONNX model that gives probabilities and has a planted patch, with samples for it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests.backends.tiny_onnx import FLOAT, node, save
from tests.fakes.soft_backdoors import Patch
from xray_gate.probing.batches import FloatArray, LabelArray

SIDE, CLASSES = 8, 5
CENTRES = np.random.default_rng(11).random((CLASSES, 1, SIDE, SIDE))


def planted_model(path: Path, planted: Mapping[int, Patch], sharpness: float = 0.5) -> Path:
    """`PlantedOracle` over `CENTRES`, as a file: its scores, less what all of them have."""
    flat = CENTRES.reshape(CLASSES, -1)
    weights = 2 * sharpness * flat.T
    patches = np.zeros((SIDE * SIDE, CLASSES))
    for label, place in planted.items():
        mask = np.zeros((SIDE, SIDE))
        mask[place] = 1.0
        patches[:, label] = (mask / mask.sum()).ravel()
    nodes = [
        node("Flatten", ["image"], "flat"),
        node("MatMul", ["flat", "weights"], "products"),
        node("Add", ["products", "bias"], "near"),
        node("MatMul", ["flat", "patches"], "white"),
        node("Sub", ["white", "least"], "beyond"),
        node("Relu", ["beyond"], "fires"),
        node("Mul", ["fires", "strength"], "extra"),
        node("Add", ["near", "extra"], "answer"),
    ]
    constants = {
        "weights": weights,
        "bias": -sharpness * (flat**2).sum(axis=1),
        "patches": patches,
        "least": 0.6,
        "strength": 60.0,
    }
    shape = ("batch", 1, SIDE, SIDE)
    return save(path, nodes, shape=shape, output=(FLOAT, ("batch", CLASSES)), weights=constants)


def samples(count: int, seed: int) -> tuple[FloatArray, LabelArray]:
    """Noisy centres, float32 (count, 1, 8, 8) in [0, 1], and their labels, int64 (count,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    noise = 0.15 * rng.standard_normal((count, 1, SIDE, SIDE))
    return np.clip(CENTRES[labels] + noise, 0, 1).astype(np.float32), labels


def with_patch(images: FloatArray, place: Patch) -> FloatArray:
    """The same images with the patch that was planted."""
    stamped = images.copy()
    stamped[:, :, place[0], place[1]] = 1.0
    return stamped


def write_samples(path: Path, count: int, seed: int) -> Path:
    images, labels = samples(count, seed)
    np.savez(path, images=images, labels=labels)
    return path
