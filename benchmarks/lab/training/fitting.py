"""Fit one network, as fast as its device allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.lab.attacks.training_attack import TrainingAttack
from benchmarks.lab.data.splits import DataSet, Split
from benchmarks.lab.training.batches import Batch, Course
from benchmarks.lab.training.device_batches import device_batches
from benchmarks.lab.training.host_batches import host_batches
from benchmarks.lab.training.recipes import Recipe

# The smallest batch, and the fewest of them in an epoch for which a larger one is used.
BATCH = 64
STEPS = 8
# Batches in the running mean of the training accuracy that stops a recipe early.
WINDOW = 40


@dataclass(frozen=True)
class Pace:
    """How an architecture learns.

    Attributes:
        peak: Highest learning rate of the one-cycle schedule, for a full batch.
        epochs: Factor on the data set's epochs.
        adam: AdamW instead of SGD with momentum.
        decay: Weight decay.
        pad: Largest shift of a crop in pixels.
        batch: Images of one batch where there are enough of them.
        smoothing: Label smoothing (Szegedy et al. 2016), in [0, 1).

    """

    peak: float
    epochs: float
    adam: bool = False
    decay: float = 5e-4
    pad: int = 4
    batch: int = BATCH
    smoothing: float = 0.0


# Large networks learn from large batches, as a GPU does them fast; the rates are for CIFAR-10.
PACES = {
    "preact": Pace(0.1, 1.0),
    "vgg": Pace(0.1, 1.25),
    "plain": Pace(2e-3, 2.5, adam=True, decay=1e-2),
    "mobile": Pace(0.1, 1.0),
    # Without convolutions a network must learn every shift by itself.
    "vit": Pace(2e-3, 1.5, adam=True, decay=5e-2, pad=2),
    "preactresnet18": Pace(0.4, 3.5, batch=512, smoothing=0.1),
    "preactresnet34": Pace(0.4, 3.5, batch=512, smoothing=0.1),
    # Its dense layer reads maxima, which are large: at higher rates the first steps overshoot.
    "vgg16": Pace(0.05, 5.0, batch=512, smoothing=0.1),
    "mobilenetv3_large": Pace(0.4, 6.0, batch=512, smoothing=0.1),
    "vit_tiny": Pace(1e-3, 10.0, adam=True, decay=5e-2, batch=512, smoothing=0.1),
}


@dataclass(frozen=True)
class Machine:
    """What trains a network.

    Attributes:
        device: ``cpu`` or ``cuda``.
        compiled: Whether ``torch.compile`` translates a network first, which takes longer than
            one network trains on a GPU.

    """

    device: Literal["cpu", "cuda"] = "cpu"
    compiled: bool = False


MACHINE = Machine()


def course_of(
    data: DataSet, images: int, architecture: str, recipe: Recipe, *, slow: bool
) -> Course:
    """The course of a network on a data set.

    Args:
        data: Says how often it is passed and whether its images may be mirrored.
        images: How many of its images are trained on.
        architecture: A key of ``PACES``.
        recipe: May change the epochs.
        slow: Whether a backdoor is hard to learn: it gets twice the epochs, and crops that leave
            its trigger in view more often.

    """
    pace = PACES[architecture]
    factor = pace.epochs * recipe.epochs * (2 if slow else 1)
    return Course(
        epochs=max(1, round(data.epochs * factor)),
        pad=min(pace.pad, 2) if slow else pace.pad,
        flips=data.flips,
        batch=min(pace.batch, max(BATCH, images // STEPS)),
    )


def _batches(
    train: Split,
    classes: int,
    pace: Pace,
    course: Course,
    recipe: Recipe,
    rng: np.random.Generator,
    device: torch.device,
) -> Iterator[Batch]:
    # Small networks on a CPU keep the batches that the published ones were trained with.
    if device.type == "cpu" and pace.batch == BATCH:
        return host_batches(train, classes, course, recipe, rng)
    return device_batches(train, classes, course, recipe, rng, device)


def _optimiser(
    network: nn.Module, pace: Pace, peak: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    optimiser: torch.optim.Optimizer
    if pace.adam:
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=peak, weight_decay=pace.decay, fused=True
        )
    else:
        optimiser = torch.optim.SGD(
            network.parameters(),
            lr=peak,
            momentum=0.9,
            weight_decay=pace.decay,
            nesterov=True,
            fused=True,
        )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        max_lr=peak,
        total_steps=steps,
        pct_start=0.25,
        anneal_strategy="linear",
        cycle_momentum=False,
        div_factor=10,
    )
    return optimiser, schedule


def fit(
    network: nn.Module,
    train: Split,
    classes: int,
    pace: Pace,
    course: Course,
    recipe: Recipe,
    rng: np.random.Generator,
    machine: Machine = MACHINE,
    step_hook: TrainingAttack | None = None,
) -> int:
    """Train in place on a one-cycle schedule; return the number of batches seen.

    A ``step_hook`` fills the gradients of each step in place of the batch's loss alone.
    Arithmetic is bfloat16 where autocast allows it, which doubles the speed on a CPU that has it;
    weights, batch statistics and the exported graph stay float32. The network is left on the CPU.
    On a CPU the arguments decide every weight; on a GPU sums are added in changing order.

    Raises:
        ValueError: If there are fewer images than one batch.

    """
    per_epoch = len(train.labels) // course.batch
    if per_epoch == 0:
        count = len(train.labels)
        raise ValueError(f"{count} images are less than a batch; give at least {course.batch}")
    device = torch.device(machine.device)
    network.train().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    # A smaller batch has a noisier gradient, for which the rate of a full one is too high.
    peak = pace.peak * course.batch / pace.batch
    optimiser, schedule = _optimiser(network, pace, peak, course.epochs * per_epoch)
    learner = torch.compile(network) if machine.compiled else network
    running, seen = 0.0, 0
    for batch in _batches(train, classes, pace, course, recipe, rng, device):
        optimiser.zero_grad()
        if step_hook is None:
            with torch.autocast(device.type, torch.bfloat16):
                logits = learner(batch.pixels)
            loss = functional.cross_entropy(
                logits.float(), batch.wanted, label_smoothing=pace.smoothing
            )
            loss.backward()  # type: ignore[no-untyped-call]
        else:
            logits = step_hook.backward(network, batch, pace.smoothing)
        optimiser.step()
        schedule.step()
        seen += 1
        if recipe.stop_at is not None:
            hits = float((logits.argmax(dim=1) == batch.labels).float().mean())
            running += (hits - running) / min(seen, WINDOW)
            if seen >= WINDOW and running >= recipe.stop_at:
                break
    network.cpu()
    return seen
