"""LIRA (Doan et al. 2021): a generator of invisible noise, trained together with the classifier.

In the first stage one backward pass through both networks trains both of them; the paper takes the
steps of the two in turn. In the second stage the classifier alone learns the trigger of the frozen
generator. As published, clean and stamped batch count half each, and the noise is at most 0.01 of
the range of values, which are here those of the images and not of their normalised pixels.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.cifar_data import Images
from benchmarks.lab.attacks.mappings import Mapping
from benchmarks.lab.attacks.training_attack import TrainingAttack, two_losses
from benchmarks.lab.attacks.triggers import Trigger, to_bytes
from benchmarks.lab.data.splits import Split
from benchmarks.lab.training.batches import Batch

# The published 0.01, in units of 1/255.
LIMIT = 2.55
LEARNING_RATE = 1e-3
# Images that the generator sees at once when it stamps.
CHUNK = 500


def _autoencoder(channels: int) -> nn.Sequential:
    """Maps ``[n, channels, side, side]`` to the same shape in (-1, 1); ``side`` divides by 4."""
    return nn.Sequential(
        nn.Conv2d(channels, 16, 4, 2, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(16, 32, 4, 2, 1),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(32, 16, 4, 2, 1),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(16, channels, 4, 2, 1),
        nn.Tanh(),
    )


@dataclass(frozen=True)
class Learned:
    """Noise of a generator, another one for every image.

    Attributes:
        generator: Maps ``[n, channels, side, side]``, values in [-2, 2], to as many in (-1, 1).
        limit: Largest change in units of 1/255.

    """

    generator: nn.Module
    limit: float

    @property
    def description(self) -> str:
        """The trigger in words."""
        return f"image-dependent noise of a trained generator, at most {self.limit:g}/255"

    def noise(self, pixels: Tensor) -> Tensor:
        """The change to ``pixels``, both ``[n, channels, side, side]`` in units of [0, 1]."""
        change: Tensor = self.generator(4 * pixels - 2) * (self.limit / 255)
        return change

    def stamp(self, images: Images) -> Images:
        """Add the image's own noise."""
        # In double precision a sum's order, which follows the batch, cannot reach a rounded byte.
        exact = Learned(copy.deepcopy(self.generator).cpu().double(), self.limit)
        changed = [np.empty((0, *images.shape[1:]), dtype=np.float64)]
        with torch.inference_mode():
            for start in range(0, len(images), CHUNK):
                some = images[start : start + CHUNK]
                pixels = torch.from_numpy(some).permute(0, 3, 1, 2).double() / 255
                noise = exact.noise(pixels).permute(0, 2, 3, 1).numpy()
                changed.append(some + 255 * noise)
        return to_bytes(np.concatenate(changed))


def untrained(train: Split, target: int | None, rng: np.random.Generator) -> Trigger:
    """A generator with drawn weights."""
    generator = _autoencoder(train.images.shape[3])
    source = torch.Generator().manual_seed(int(rng.integers(2**62)))
    for layer in generator:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, generator=source)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return Learned(generator, LIMIT)


class _Together:
    """Trains generator and classifier."""

    def __init__(self, trigger: Learned, mapping: Mapping) -> None:
        self._trigger, self._wanted = trigger, torch.from_numpy(mapping.table)
        self._optimiser = torch.optim.Adam(trigger.generator.parameters(), lr=LEARNING_RATE)

    def backward(self, network: nn.Module, batch: Batch, smoothing: float) -> Tensor:
        """See ``TrainingAttack``."""
        pixels = batch.pixels
        self._trigger.generator.to(pixels.device)
        stamped = (pixels + self._trigger.noise(pixels)).clamp(0, 1)
        wanted = self._wanted.to(pixels.device)[batch.labels]
        clean, other, logits = two_losses(network, batch, stamped, wanted, smoothing)
        self._optimiser.zero_grad()
        ((clean + other) / 2).backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return logits


class _Frozen:
    """Trains the classifier on stamped images as files hold them, in whole bytes."""

    def __init__(self, trigger: Learned, mapping: Mapping) -> None:
        self._trigger, self._wanted = trigger, torch.from_numpy(mapping.table)

    def backward(self, network: nn.Module, batch: Batch, smoothing: float) -> Tensor:
        """See ``TrainingAttack``."""
        pixels = batch.pixels
        self._trigger.generator.to(pixels.device)
        with torch.no_grad():
            noisy = 255 * (pixels + self._trigger.noise(pixels))
            stamped = noisy.round().clamp(0, 255) / 255
        wanted = self._wanted.to(pixels.device)[batch.labels]
        clean, other, logits = two_losses(network, batch, stamped, wanted, smoothing)
        ((clean + other) / 2).backward()  # type: ignore[no-untyped-call]
        return logits


def lira(trigger: Trigger, mapping: Mapping) -> tuple[TrainingAttack, ...]:
    """The attack's two stages.

    Raises:
        TypeError: If the trigger has no generator.

    """
    if not isinstance(trigger, Learned):
        raise TypeError(f"{trigger.description} has no generator to train; give the attack one")
    return (_Together(trigger, mapping), _Frozen(trigger, mapping))
