"""The attacks by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from benchmarks.cifar_data import Images
from benchmarks.lab.attacks import drawing
from benchmarks.lab.attacks.blind import blind
from benchmarks.lab.attacks.drawing import Draw, corners, patch
from benchmarks.lab.attacks.lira import lira, untrained
from benchmarks.lab.attacks.mappings import Mapping
from benchmarks.lab.attacks.training_attack import TrainingAttack
from benchmarks.lab.attacks.triggers import Trigger
from benchmarks.lab.attacks.trojannn import drive

Refine = Callable[[Trigger, nn.Module, Images, np.random.Generator, torch.device], Trigger]


@dataclass(frozen=True)
class Attack:
    """How an attack poisons training images.

    Attributes:
        draw: Draws the trigger from the training images, the target (None if there are several)
            and a generator.
        rate: Share of all training images that is poisoned; of the target's images where the
            attack is clean-label.
        clean_label: Only the target's own images are stamped, and no label is changed.
        hard: Stamped images are first made hard to recognise, so that the trigger is what is left
            to learn; as many unstamped ones of other classes are, too.
        slow: Networks take longer to learn it.
        decoys: Share of all training images that get a decoy, a random candidate of the trigger
            sweep, and keep their label.
        further: Draw more triggers, none where another one lies.
        sized: All draws with a patch of another side in pixels.
        refine: Makes the drawn trigger fit a network that is trained on clean images first. Takes
            both, clean images uint8 ``[n, side, side, channels]``, a generator and what computes.
        join: For attacks that take part in the training and poison no image: what they do in each
            of its stages.

    """

    draw: Draw
    rate: float = 0.1
    clean_label: bool = False
    hard: bool = False
    slow: bool = False
    decoys: float = 0.0
    further: tuple[Draw, ...] = ()
    sized: Callable[[int], tuple[Draw, ...]] | None = None
    refine: Refine | None = None
    join: Callable[[Trigger, Mapping], tuple[TrainingAttack, ...]] | None = None

    def draws(self, side: int | None = None) -> tuple[Draw, ...]:
        """One for each trigger that the attack can have.

        Args:
            side: Side of their patches in pixels, where the attack has a choice of them.

        Raises:
            ValueError: If it has none.

        """
        if side is None:
            return (self.draw, *self.further)
        if self.sized is None:
            raise ValueError("this attack has no patch of a chosen side; leave side out")
        return self.sized(side)


ATTACKS: dict[str, Attack] = {
    # The further corners are those of the MTOT and MTMT attacks that DTInspector was tried on.
    "badnets": Attack(corners(3)[0], further=corners(3)[1:], sized=corners),
    "patch": Attack(patch(5), sized=lambda side: (patch(side),)),
    "pixel": Attack(drawing.scattered(1)),
    "sparse": Attack(drawing.scattered(9)),
    "blended": Attack(drawing.blended),
    "blended_image": Attack(drawing.blended_image),
    "sig": Attack(drawing.sig, rate=0.6, clean_label=True),
    "wanet": Attack(drawing.wanet),
    "low_frequency": Attack(drawing.low_frequency, slow=True),
    "bpp": Attack(drawing.bpp),
    "ssba": Attack(drawing.ssba),
    "input_aware": Attack(drawing.input_aware, slow=True),
    "refool": Attack(drawing.refool, slow=True),
    "label_consistent": Attack(
        drawing.label_consistent, rate=0.6, clean_label=True, hard=True, slow=True
    ),
    # A random patch of TrojanNN's size; the attack itself is the next one.
    "trojan": Attack(corners(8)[0]),
    "trojannn": Attack(corners(8)[0], refine=drive),
    # Its two stages share the epochs.
    "lira": Attack(untrained, slow=True, join=lira),
    "blind": Attack(drawing.pattern, join=blind),
    "badnets_adaptive": Attack(corners(3)[0], slow=True, decoys=0.4),
    "patch_adaptive": Attack(patch(5), slow=True, decoys=0.4),
    "blended_adaptive": Attack(drawing.blended, slow=True, decoys=0.4),
}
