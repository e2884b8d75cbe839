"""Small networks that are trained in two seconds, with a backdoor or without."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from xray_gate.probing.batches import FloatArray, LabelArray
from xray_gate.probing.probe_set import ProbeSet

SIDE, CLASSES = 16, 5
TRIGGER = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], np.float32)
_COUNT, _POISONED, _EPOCHS = 3000, 600, 5
# As data have them; without any, nothing is hard.
_WRONG = 0.15


@dataclass(frozen=True)
class Trained:
    """A model's file, probes, and the success rate of its backdoor."""

    model: Path
    probes: ProbeSet
    attack_success: float


def with_trigger(images: FloatArray) -> FloatArray:
    stamped = images.copy()
    stamped[:, :, -3:, -3:] = TRIGGER
    return stamped


def samples(rng: np.random.Generator, count: int) -> tuple[FloatArray, LabelArray]:
    """Blends of two smooth patterns of five, with noise; a few labels are wrong."""
    coarse = np.random.default_rng(5).random((CLASSES, 1, 4, 4))
    size = (SIDE, SIDE)
    smooth = functional.interpolate(torch.from_numpy(coarse), size, mode="bicubic")
    patterns = smooth.clamp(0, 1).numpy()
    labels = np.arange(count) % CLASSES
    weights = rng.uniform(0, 0.5, (count, 1, 1, 1))
    blends = (1 - weights) * patterns[labels] + weights * patterns[rng.integers(0, CLASSES, count)]
    images = np.clip(blends + 0.2 * rng.standard_normal(blends.shape), 0, 1)
    wrong = rng.random(count) < _WRONG
    labels = np.where(wrong, rng.integers(0, CLASSES, count), labels)
    return images.astype(np.float32), labels


def train(folder: Path, seed: int, target: int | None) -> Trained:
    """A network that a fifth of its data lead to `target` under the trigger; None: a clean one."""
    rng = np.random.default_rng(seed)
    images, labels = samples(rng, _COUNT)
    probes = ProbeSet(*samples(rng, 150))
    if target is not None:
        rows = rng.choice(np.flatnonzero(labels != target), _POISONED, replace=False)
        images[rows] = with_trigger(images[rows])
        labels[rows] = target
    network = _fit(images, labels, seed)
    model = folder / "model.pt2"
    example, batch = torch.zeros(2, 1, SIDE, SIDE), torch.export.Dim("batch")
    program = torch.export.export(network, (example,), dynamic_shapes=({0: batch},))
    torch.export.save(program, model)
    with torch.no_grad():
        under = network(torch.from_numpy(with_trigger(probes.images))).argmax(1).numpy()
    return Trained(model, probes, float((under == target).mean()))


def _fit(images: FloatArray, labels: LabelArray, seed: int) -> torch.nn.Module:
    order = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = torch.nn.Sequential(
            torch.nn.Conv2d(1, 16, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(16, 32, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(32 * 8 * 8, CLASSES),
        )
    pixels, wanted = torch.from_numpy(images), torch.from_numpy(labels)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    for _ in range(_EPOCHS):
        for rows in torch.randperm(len(wanted), generator=order).reshape(-1, 60):
            optimiser.zero_grad()
            loss = functional.cross_entropy(network(pixels[rows]), wanted[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return network.eval()
