"""Neural Cleanse: the smallest patch that leads to a label, for each label (Wang et al. 2019).

Bolun Wang, Yuanshun Yao, Shawn Shan, Huiying Li, Bimal Viswanath, Haitao Zheng, Ben Y. Zhao:
"Neural Cleanse: Identifying and Mitigating Backdoor Attacks in Neural Networks", IEEE S&P 2019.
As in the authors' program (github.com/bolunwang/backdoor): its schedule of the weight, its stopping
rule and its numbers, which are the defaults of ``Settings``.

Two things are done another way and change no result but by chance: the labels of a group are
searched side by side on the same batches of images, and masks are measured as they are, not
after being saved as 8-bit pictures.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.lab.peers.label_search import LabelSearch, Settings
from benchmarks.lab.peers.network import Finding, Network

# Keeps tanh's inverse finite at 0 and 1; also what Adam adds to its denominator.
_EPSILON = 1e-7
# Makes the median absolute deviation that of a normal distribution.
_CONSISTENCY = 1.4826


class _Triggers:
    """Triggers of several labels, which learn side by side on the same images.

    Masks ``[labels, 1, h, w]`` and patterns ``[labels, c, h, w]`` are held as arguments of tanh.
    """

    def __init__(
        self,
        network: Network,
        labels: Tensor,
        shape: tuple[int, ...],
        settings: Settings,
        generator: torch.Generator,
    ) -> None:
        self._network, self._labels, self._arithmetic = network, labels, settings.arithmetic
        self._masks = _drawn((len(labels), 1, *shape[1:]), generator, network.device)
        self._patterns = _drawn((len(labels), *shape), generator, network.device)
        self._optimiser = torch.optim.Adam(
            [self._patterns, self._masks],
            lr=settings.learning_rate,
            betas=settings.betas,
            eps=_EPSILON,
        )

    def sizes(self) -> Tensor:
        """L1 norms of the masks, ``[labels]``."""
        return _unit(self._masks).sum(dim=(1, 2, 3))

    def step(self, going: list[int], weights: list[float], images: Tensor) -> Tensor:
        """One step of Adam for some labels on one batch.

        Args:
            going: Places of the labels, n of them.
            weights: Of their masks' sizes.
            images: The batch, ``[b, c, h, w]``.

        Returns:
            Success rates and mask sizes before the step, ``[2, n]``.

        """
        rows = torch.tensor(going, device=images.device)
        logits = self._network.logits(self._stamped(rows, images), self._arithmetic)
        wanted = self._labels[rows].repeat_interleave(len(images))
        losses = functional.cross_entropy(logits, wanted, reduction="none").view(len(rows), -1)
        sizes = self.sizes()[rows]
        self._optimiser.zero_grad()
        # A trigger has no part in another label's terms, so one sum serves all of them.
        cost = torch.tensor(weights, device=images.device) * sizes
        (losses.mean(dim=1) + cost).sum().backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        hits = (logits.detach().argmax(dim=1) == wanted).view(len(rows), -1)
        return torch.stack([hits.float().mean(dim=1), sizes.detach()])

    def _stamped(self, rows: Tensor, images: Tensor) -> Tensor:
        masks, patterns = _unit(self._masks[rows])[:, None], _unit(self._patterns[rows])[:, None]
        return ((1 - masks) * images + masks * patterns).flatten(0, 1)


def _unit(free: Tensor) -> Tensor:
    return torch.tanh(free) / (2 - _EPSILON) + 0.5


def _drawn(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    """Uniform in [0, 1], as an argument of ``_unit``."""
    start = torch.rand(shape, generator=generator)
    return torch.atanh((start - 0.5) * (2 - _EPSILON)).to(device).requires_grad_()


def _batches(images: Tensor, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    while True:
        order = torch.randperm(len(images), generator=generator).to(images.device)
        for start in range(0, len(order), size):
            yield images[order[start : start + size]]


def _search(
    triggers: _Triggers,
    searches: list[LabelSearch],
    stream: Iterator[Tensor],
    steps: int,
    batches: int,
) -> list[float]:
    """Sizes of the labels' best masks; of the last one where none led enough images."""
    kept = triggers.sizes().tolist()
    for _ in range(steps):
        going = [place for place, search in enumerate(searches) if not search.ended]
        if not going:
            break
        weights = [searches[place].weight for place in going]
        drawn = itertools.islice(stream, batches)
        measured = torch.stack([triggers.step(going, weights, batch) for batch in drawn])
        now = triggers.sizes().tolist()
        for place, figures in zip(going, measured.mean(dim=0).T.tolist(), strict=True):
            best = searches[place].note(*figures)
            if best or not math.isfinite(searches[place].size):
                kept[place] = now[place]
    return kept


def anomaly_indices(sizes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """By how many deviations each size lies under the median; negative above it.

    The deviation is 1.4826 times the median absolute deviation. The program flags only labels
    under the median.

    Raises:
        ValueError: If more than half of the sizes are the same, which leaves no deviation.

    """
    below = np.median(sizes) - sizes
    deviation = _CONSISTENCY * float(np.median(np.abs(below)))
    if not deviation > 0:
        raise ValueError(
            f"masks of sizes {sizes.tolist()} have no deviation; give more steps or images"
        )
    indices: npt.NDArray[np.float64] = below / deviation
    return indices


def detect(
    network: Network,
    images: Tensor,
    settings: Settings,
    generator: torch.Generator,
) -> Finding:
    """Search a trigger for every label, and ask whether the smallest mask is an outlier.

    Args:
        network: What is asked.
        images: Clean ones of all classes, float32 ``[n, c, h, w]`` in [0, 1], on its device.
        settings: One of ``BUDGETS``, or others.
        generator: Draws starts and batches; on the CPU.

    Returns:
        Score: the anomaly index of the smallest mask. Suspected: the label of the smallest mask,
        then other flagged ones.

    """
    searches = [LabelSearch(settings) for _ in range(network.classes)]
    sizes, batches = list[float](), settings.batches_for(network.classes)
    stream = _batches(images, settings.batch, generator)
    for first in range(0, network.classes, settings.together):
        group = searches[first : first + settings.together]
        labels = torch.arange(first, first + len(group), device=images.device)
        triggers = _Triggers(network, labels, tuple(images.shape[1:]), settings, generator)
        sizes += _search(triggers, group, stream, settings.steps, batches)
    indices = anomaly_indices(np.asarray(sizes))
    order = np.argsort(-indices).tolist()
    flagged = [label for label in order if indices[label] > settings.index]
    return Finding(
        score=float(indices[order[0]]),
        flagged=bool(flagged),
        suspected=flagged or order[:1],
        statistics={
            "mask_l1": sizes,
            "anomaly_index": indices.tolist(),
            "reached": [math.isfinite(search.size) for search in searches],
            "steps": [search.steps for search in searches],
        },
        gradient_steps=batches * sum(search.steps for search in searches),
    )
