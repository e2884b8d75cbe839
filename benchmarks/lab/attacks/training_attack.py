"""Attacks that take part in the training itself: what they are given in every step."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.lab.training.batches import Batch


class TrainingAttack(Protocol):
    """An attacker's code in the training loop."""

    def backward(self, network: nn.Module, batch: Batch, smoothing: float) -> Tensor:
        """Fill the gradients of the network's weights from one batch.

        Args:
            network: Maps pixels to logits ``[n, classes]``; in training mode, its gradients empty.
            batch: Clean images, augmented, with their labels.
            smoothing: Label smoothing of the loss on them, in [0, 1).

        Returns:
            The network's logits for the batch itself.

        """
        ...


def logits_of(network: nn.Module, pixels: Tensor) -> Tensor:
    """Logits float32 ``[n, classes]`` for float32 ``[n, channels, side, side]`` in [0, 1].

    In the arithmetic of ordinary training, see ``training.fit``.
    """
    with torch.autocast(pixels.device.type, torch.bfloat16):
        logits: Tensor = network(pixels)
    return logits.float()


def two_losses(
    network: nn.Module, batch: Batch, stamped: Tensor, wanted: Tensor, smoothing: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss on a batch, loss on its stamped copy, and the logits for the batch itself.

    Both pass the network together. Alone, stamped images would have batch statistics of their own,
    and the running ones, which clean images meet later, would be those of neither.

    Args:
        network: In training mode.
        batch: Clean images.
        stamped: float32, as many and as large as those of the batch.
        wanted: int64 ``[n]``, the labels that the stamped ones are to be given.
        smoothing: Label smoothing of the loss on the clean ones.

    """
    logits, others = logits_of(network, torch.cat([batch.pixels, stamped])).chunk(2)
    clean = functional.cross_entropy(logits, batch.wanted, label_smoothing=smoothing)
    return clean, functional.cross_entropy(others, wanted), logits
