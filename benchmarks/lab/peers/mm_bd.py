"""MM-BD: a class whose largest margin over all images stands out (Wang et al. 2024).

Hang Wang, Zhen Xiang, David J. Miller, George Kesidis: "MM-BD: Post-Training Detection of Backdoor
Attacks with Arbitrary Backdoor Pattern Types Using a Maximum Margin Statistic", IEEE S&P 2024.
Numbers and stopping rule are as in the authors' program (github.com/wanghangpsu/MM-BD). There the
optimiser is made anew at each step, so that its momentum of 0.2 has no effect, and images are
clipped on their way into the network, so that a pixel beyond 0 or 1 gets no gradient any more;
both hold here, too. No image is needed but for its shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats
from torch import Tensor

from benchmarks.lab.peers.network import Finding, Network, share

# Under this, the tail of a Gamma distribution has no place in double precision.
LEAST_P = 1e-300


@dataclass(frozen=True)
class Settings:
    """The published settings; see ``BUDGETS`` for others.

    Attributes:
        starts: Random images from which a class's margin is climbed.
        steps: Most steps of gradient ascent.
        learning_rate: Of these.
        least_change: Relative change of the sum of a class's margins that ends its ascent.
        level: p-value up to which a model is flagged.
        together: Classes that climb side by side.
        labels: For how many labels there is time; networks of more get fewer starts for each.

    """

    starts: int = 30
    steps: int = 300
    learning_rate: float = 0.01
    least_change: float = 1e-5
    level: float = 0.05
    together: int = 10
    labels: int | None = None


# The published settings take a core a minute and a half for ten classes, so only what has more of
# them must make do with less. Rounding to bfloat16 is no way out: sums of margins that differ are
# rounded to the same figure, which ends a climb too early.
BUDGETS = {"published": Settings(), "cpu": Settings(labels=14)}


def _margins(network: Network, starts: Tensor, labels: Tensor) -> Tensor:
    """Each label's logit less the largest other one, ``[labels, starts]``."""
    count = starts.shape[1]
    logits = network.logits(starts.flatten(0, 1).clamp(0, 1))
    own = labels.repeat_interleave(count)[:, None]
    others = logits.scatter(1, own, -math.inf).amax(dim=1)
    return (logits.gather(1, own)[:, 0] - others).view(-1, count)


def _climb(
    network: Network, labels: Tensor, starts: Tensor, settings: Settings
) -> tuple[list[float], int]:
    """The largest margin of each label, and the steps of all of them together.

    ``starts`` ``[labels, starts, c, h, w]`` climb in place.
    """
    rows = torch.arange(len(labels), device=network.device)
    before = torch.full((len(labels),), -1000.0, device=network.device)
    taken = 0
    # Margins are read before a step is taken, so the last of them is never seen.
    for _ in range(settings.steps - 1):
        leaf = starts[rows].requires_grad_()
        sums = _margins(network, leaf, labels[rows]).sum(dim=1)
        (slopes,) = torch.autograd.grad(sums.sum(), leaf)
        sums = sums.detach()
        goes_on = ~((before[rows] - sums).abs() / before[rows].abs() < settings.least_change)
        before[rows] = sums
        rows = rows[goes_on]
        starts[rows] += settings.learning_rate * slopes[goes_on]
        taken += len(rows)
        if not len(rows):
            break
    with torch.inference_mode():
        largest: list[float] = _margins(network, starts, labels).amax(dim=1).tolist()
    return largest, taken


def order_p_value(tail: float, count: int) -> float:
    """Chance that the largest of ``count`` draws exceeds what one exceeds with chance ``tail``."""
    return 1.0 if tail >= 1 else -math.expm1(count * math.log1p(-tail))


def p_value(margins: npt.NDArray[np.float64]) -> float:
    """Chance that the largest of so many margins is as large as this, were all of one kind.

    The distribution is a Gamma with a free shape, place and scale, fitted to all but the largest
    margin by maximum likelihood, as published. Three parameters from a truncated sample are too
    narrow a fit: of ten equal classes about one in four models has a p-value up to 0.05.

    Raises:
        ValueError: If there are fewer than 3 margins, all but the largest are equal, or no Gamma
            distribution fits them.

    """
    others = np.sort(margins)[:-1]
    if len(others) < 2 or not np.ptp(others) > 0:
        raise ValueError(
            f"margins {margins.tolist()} have no spread to compare the largest with; "
            "MM-BD needs three classes that differ"
        )
    tail = float(stats.gamma.sf(margins.max(), *stats.gamma.fit(others)))
    if not 0 <= tail <= 1:
        raise ValueError(f"no Gamma distribution fits margins {others.tolist()}; leave MM-BD out")
    return order_p_value(tail, len(margins))


def detect(
    network: Network,
    images: Tensor,
    settings: Settings,
    generator: torch.Generator,
) -> Finding:
    """Climb every class's margin, and ask whether the largest one stands out.

    Args:
        network: What is asked.
        images: Only the shape ``[n, c, h, w]`` is read.
        settings: One of ``BUDGETS``, or others.
        generator: Draws the starts; on the CPU.

    Returns:
        Score: -log10 of the p-value, at most 300. Suspected: the class of the largest margin.

    """
    margins, taken = list[float](), 0
    count = share(settings.starts, settings.labels, network.classes)
    for first in range(0, network.classes, settings.together):
        last = min(first + settings.together, network.classes)
        labels = torch.arange(first, last, device=network.device)
        starts = torch.rand((len(labels), count, *images.shape[1:]), generator=generator)
        found, steps = _climb(network, labels, starts.to(network.device), settings)
        margins += found
        taken += steps
    chance = p_value(np.asarray(margins))
    return Finding(
        score=abs(math.log10(max(chance, LEAST_P))),
        flagged=chance <= settings.level,
        suspected=[int(np.argmax(margins))],
        statistics={"margin": margins, "p_value": chance},
        gradient_steps=taken,
    )
