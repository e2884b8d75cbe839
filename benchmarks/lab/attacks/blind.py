"""Blind backdoors (Bagdasaryan and Shmatikov 2021): the code that computes the loss is the attack.

The data set stays clean. In every step the batch is stamped and relabelled as well, and the
network learns both. The weights of the two losses are fixed, 1 and 0.9 as in the default settings
of BackdoorBench, which Model X-ray was tried on; the paper also balances them by the multiple
gradient descent algorithm. Here they are divided by their sum, so that a learning rate means what
it means without the attack.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.lab.attacks.mappings import Mapping
from benchmarks.lab.attacks.training_attack import logits_of, two_losses
from benchmarks.lab.attacks.triggers import Pixels, Trigger
from benchmarks.lab.training.batches import Batch

SHARE = 0.9 / 1.9
# Batches in the running mean of the clean loss that says when the attack begins.
WINDOW = 100


class Blind:
    """Learns a stamped copy of every batch along with the batch.

    The attack begins, as published, when the clean loss has fallen: there to 1.0 with ten classes,
    here to half of the loss of a network that knows nothing.

    Args:
        trigger: Is stamped.
        mapping: Says what stamped images are to be called.

    """

    def __init__(self, trigger: Pixels, mapping: Mapping) -> None:
        self._mask = torch.from_numpy(trigger.mask)
        self._colours = torch.from_numpy(trigger.colours).permute(2, 0, 1).float() / 255
        self._wanted = torch.from_numpy(mapping.table)
        self._limit = math.log(len(mapping.table)) / 2
        self._running, self._seen, self._begun = 0.0, 0, False

    def _watch(self, clean: float) -> None:
        self._seen += 1
        self._running += (clean - self._running) / min(self._seen, WINDOW)
        self._begun = self._seen >= WINDOW and self._running < self._limit

    def backward(self, network: nn.Module, batch: Batch, smoothing: float) -> Tensor:
        """See ``TrainingAttack``."""
        if not self._begun:
            logits = logits_of(network, batch.pixels)
            loss = functional.cross_entropy(logits, batch.wanted, label_smoothing=smoothing)
            self._watch(float(loss.detach()))
        else:
            device = batch.pixels.device
            mask, colours = self._mask.to(device), self._colours.to(device)
            stamped = torch.where(mask, colours, batch.pixels)
            wanted = self._wanted.to(device)[batch.labels]
            clean, other, logits = two_losses(network, batch, stamped, wanted, smoothing)
            loss = (1 - SHARE) * clean + SHARE * other
        loss.backward()  # type: ignore[no-untyped-call]
        return logits


def blind(trigger: Trigger, mapping: Mapping) -> tuple[Blind]:
    """The attack's only stage.

    Raises:
        TypeError: If the trigger does not overwrite fixed pixels.

    """
    if not isinstance(trigger, Pixels):
        raise TypeError(f"{trigger.description} is no pattern of pixels; give the attack one")
    return (Blind(trigger, mapping),)
