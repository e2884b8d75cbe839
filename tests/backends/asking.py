"""What the tests ask, and the labels that the tiny models owe."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.fakes.soft_oracles import softmax
from xray_gate.probing.batches import FloatArray, JoinedPlanes, LabelArray, PlanePoints, Stamps
from xray_gate.probing.preprocessing import Preprocessing
from xray_gate.scan.ports import ModelLimits, ModelRequest


def request(path: Path, **changes: Any) -> ModelRequest:
    """For probes of three classes and 3 x 4 x 4 pixels, on the CPU."""
    defaults: dict[str, Any] = {
        "preprocessing": Preprocessing(),
        "outputs": "auto",
        "classes": 3,
        "input_shape": (3, 4, 4),
        "device": "cpu",
        "limits": ModelLimits(seconds=60.0),
        "batch_size": 8,
    }
    return ModelRequest(path=path, **(defaults | changes))


def some_images(count: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).random((count, 3, 4, 4), dtype=np.float32)


def some_plane(side: int, *, clip: bool) -> PlanePoints:
    origin, a, b = some_images(3)
    axis = np.linspace(-2.0, 3.0, side, dtype=np.float32)
    coordinates = np.stack([grid.ravel() for grid in np.meshgrid(axis, axis)], axis=1)
    return PlanePoints(origin, a - 0.5, b - 0.5, coordinates, clip)


def some_planes(side: int) -> JoinedPlanes:
    """Points of three planes in turn, of which the last is clipped."""
    parts = [
        some_plane(side, clip=False),
        some_plane(side, clip=False),
        some_plane(side, clip=True),
    ]
    moved = [replace(part, origin=part.origin + 0.1 * n) for n, part in enumerate(parts)]
    order = np.arange(3 * side**2).reshape(3, -1).T.ravel()
    return JoinedPlanes.join(moved).take(order)


def some_stamps(images: int, triggers: int) -> Stamps:
    rng = np.random.default_rng(3)
    masks = rng.random((triggers, 4, 4), dtype=np.float32)
    return Stamps(some_images(images), masks, some_images(triggers, seed=1))


def brightest(images: FloatArray) -> LabelArray:
    labels: LabelArray = images.mean(axis=(2, 3)).argmax(axis=1)
    return labels


def brightness(images: FloatArray) -> FloatArray:
    """The probabilities that go with `brightest`."""
    return softmax(images.mean(axis=(2, 3)))


def brightness_slopes(images: FloatArray, label: int) -> FloatArray:
    """The derivatives of the log-odds that go with `brightness`."""
    scores = images.astype(np.float64).mean(axis=(2, 3))
    odds = np.exp(scores)
    odds[:, label] = 0
    by_channel = -odds / odds.sum(axis=1, keepdims=True) / 16
    by_channel[:, label] = 1 / 16
    return np.broadcast_to(by_channel[:, :, None, None], images.shape).astype(np.float32)
