"""TrojanNN (Liu et al. 2018): a patch that drives a unit of a network trained on clean images.

Of the units that the last layer reads, the one with the largest weights, all classes together, is
chosen, and the patch ascends its gradient on clean images that carry it. The network then trains on
with stamped images. The paper starts from a patch alone and a published network; the settings are
those of its authors as far as they fit: a square of a sixteenth of a 32x32 image, in a corner.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.cifar_data import Images
from benchmarks.lab.attacks.triggers import Pixels, Trigger, to_bytes

STEPS = 100
# Of the first step in units of [0, 1]; they shrink to nothing.
STEP = 0.1
IMAGES = 128


def _pixels(images: Images) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def _last_layer(network: nn.Module) -> nn.Linear:
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise ValueError("the network has no dense layer; TrojanNN needs one, name another network")
    return layers[-1]


class _Unit:
    """The unit that a dense layer reads with the largest weights."""

    def __init__(self, network: nn.Module) -> None:
        layer = _last_layer(network)
        self._network, self._layer = network, layer
        self.number = int(layer.weight.detach().abs().sum(dim=0).argmax())

    def mean(self, pixels: Tensor) -> Tensor:
        """Its mean over ``pixels`` float32 ``[n, channels, side, side]`` in [0, 1]."""
        seen = list[Tensor]()
        handle = self._layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            self._network(pixels)
        finally:
            handle.remove()
        return seen[-1][..., self.number].mean()


def drive(
    trigger: Trigger,
    network: nn.Module,
    images: Images,
    rng: np.random.Generator,
    device: torch.device,
) -> Trigger:
    """The same patch in colours that drive a unit of ``network``.

    Args:
        trigger: Its mask stays, its colours are where the search begins.
        network: Trained on clean images; left in evaluation mode on the CPU.
        images: Clean ones, uint8 ``[n, side, side, channels]``.
        rng: Chooses those that the patch is tried on.
        device: What computes.

    Raises:
        TypeError: If the trigger does not overwrite fixed pixels.
        ValueError: If the network has no dense layer.

    """
    if not isinstance(trigger, Pixels):
        raise TypeError(f"{trigger.description} is no pattern of pixels; give the attack one")
    some = images[rng.choice(len(images), size=min(IMAGES, len(images)), replace=False)]
    unit = _Unit(network.eval().to(device))
    pixels, mask = _pixels(some).to(device), torch.from_numpy(trigger.mask).to(device)
    colours = _pixels(trigger.colours[None]).to(device).requires_grad_()
    values = list[float]()
    for step in range(STEPS):
        value = unit.mean(torch.where(mask, colours, pixels))
        values.append(float(value.detach()))
        (gradient,) = torch.autograd.grad(value, colours)
        with torch.no_grad():
            colours += STEP * (1 - step / STEPS) * gradient.sign()
            colours.clamp_(0, 1)
    network.cpu()
    found = colours[0].detach().permute(1, 2, 0).cpu().numpy()
    rise = f"unit {unit.number} from {values[0]:.2f} to {values[-1]:.2f}"
    return Pixels(f"{trigger.description}, drives {rise}", trigger.mask, to_bytes(255 * found))
