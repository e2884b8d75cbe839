"""Reversing a trigger by probabilities alone (B3D, Algorithm 1).

    minimise over the search distribution   E[ loss(images under the trigger) ] + lambda * |mask|_1

lambda rises while the success rate holds and falls while it does not, so that the mask shrinks to
what is needed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from xray_gate.detectors.trigger_reversal.adam import Adam
from xray_gate.detectors.trigger_reversal.search_distribution import (
    Losses,
    SearchDistribution,
    unsquashed,
)
from xray_gate.detectors.trigger_reversal.settings import ReversalSettings
from xray_gate.detectors.trigger_reversal.shrinking import ReversedTrigger, Shrinking
from xray_gate.probing.batches import FloatArray, LabelArray, Stamps
from xray_gate.probing.oracle import SoftLabelOracle

# Of as many mini-batches in a row the success has to hold: one alone may have been an easy one.
_LOOKED_AT = 3
# What one question and its answer may hold, about.
_QUESTION_BYTES = 64 * 2**20


class Goal(Protocol):
    """What a trigger is to do: it turns probabilities into losses and into success."""

    def losses(self, probabilities: FloatArray) -> Losses:
        """The loss of each answer, float64 (n,), for float32 (n, classes)."""
        ...

    def success(self, probabilities: FloatArray, before: LabelArray) -> float:
        """The share in [0, 1] of the images that are where the goal wants them.

        `before` int64 (n,) are the labels without a trigger; images for which the goal is no
        change do not count, and 1 is the answer where none counts.
        """
        ...


class Reversal:
    """The search for one goal, an iteration at a time; `reverse_together` asks the model.

    `shape`: (channels, height, width) of the images. The same state of `rng` gives the same search.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        goal: Goal,
        settings: ReversalSettings,
        rng: np.random.Generator,
    ) -> None:
        self._goal, self._settings, self._rng = goal, settings, rng
        chance = np.full(shape[1:], settings.first_chance, np.float32)
        self.distribution = SearchDistribution(
            unsquashed(chance), 0.1 * rng.standard_normal(shape), settings.sigma
        )
        self._adam = Adam(settings.learning_rate), Adam(settings.learning_rate)
        self._account = Shrinking(settings, _LOOKED_AT)

    @property
    def done(self) -> bool:
        """Whether there is nothing more to ask."""
        return self._account.why is not None

    @property
    def iterations(self) -> int:
        """How many were made."""
        return self._account.iterations

    def candidates(self) -> tuple[FloatArray, FloatArray]:
        """What to ask about next: sampled masks, sampled patterns, and the trigger as it is.

        Masks float32 (2k + 1, height, width), patterns (2k + 1, channels, height, width).
        """
        samples, now = self._settings.samples, self.distribution
        self._masks = now.sample_masks(samples, self._rng)
        self._patterns = now.sample_patterns(samples, self._rng)
        return (
            np.concatenate([self._masks.masks, self._patterns.masks, now.mask[None]]),
            np.concatenate([self._masks.patterns, self._patterns.patterns, now.pattern[None]]),
        )

    def tell(self, answers: FloatArray, before: LabelArray) -> None:
        """One step of Algorithm 1: probabilities (2k + 1, images, classes) for `candidates`.

        `before` int64 (images,) are the model's labels without a trigger.
        """
        samples = self._settings.samples
        now = self.distribution
        mask_gradient = now.mask_gradient(self._masks, self._losses(answers[:samples]))
        pattern_losses = self._losses(answers[samples:-1])
        pattern_gradient = now.pattern_gradient(self._patterns, pattern_losses)
        self._account.tell(self._goal.success(answers[-1], before), now)
        mask_gradient = mask_gradient + self._account.size_weight * now.size_gradient()
        mask, pattern = self._adam
        self.distribution = SearchDistribution(
            mask.step(now.theta_mask, mask_gradient),
            pattern.step(now.theta_pattern, pattern_gradient),
            now.sigma,
        )

    def found(self) -> ReversedTrigger:
        """The best trigger so far."""
        return self._account.found(self.distribution)

    def _losses(self, answers: FloatArray) -> Losses:
        """The mean loss under each candidate, float64 (k,)."""
        count, images, classes = answers.shape
        losses = self._goal.losses(answers.reshape(count * images, classes))
        means: Losses = losses.reshape(count, images).mean(axis=1)
        return means


@dataclass(frozen=True)
class TowardsLabel:
    """All images become `label`: cross-entropy (B3D, Eq. 2)."""

    label: int

    def losses(self, probabilities: FloatArray) -> Losses:
        """-log p(label), at most 27.6."""
        return -np.log(np.maximum(probabilities[:, self.label].astype(np.float64), 1e-12))

    def success(self, probabilities: FloatArray, before: LabelArray) -> float:
        """The share of the images of other labels for which `label` is the most likely now."""
        counted = before != self.label
        moved = probabilities.argmax(axis=1) == self.label
        return float(moved[counted].mean()) if counted.any() else 1.0


@dataclass(frozen=True)
class AwayFromLabel:
    """No image stays at `label`: the square error of its probability (DTInspector, Eq. 1)."""

    label: int

    def losses(self, probabilities: FloatArray) -> Losses:
        """-(1 - p(label))^2, in [-1, 0]."""
        return -((1 - probabilities[:, self.label].astype(np.float64)) ** 2)

    def success(self, probabilities: FloatArray, before: LabelArray) -> float:
        """The share of the images of the label for which another one is the most likely now."""
        counted = before == self.label
        moved = probabilities.argmax(axis=1) != self.label
        return float(moved[counted].mean()) if counted.any() else 1.0


def reverse_together(
    oracle: SoftLabelOracle,
    images: FloatArray,
    before: LabelArray,
    reversals: Sequence[Reversal],
    settings: ReversalSettings,
    rng: np.random.Generator,
    told: Callable[[], None],
) -> None:
    """Drive all searches until they are done, each by an iteration in turn.

    They share the mini-batches, so that k candidates of many classes times the mini-batch are one
    large question, as far as memory allows. `images` float32 (n, channels, height, width) in
    [0, 1], `before` int64 (n,) their labels. `told` is called after each iteration.
    """
    count = min(settings.batch, len(images))
    together = _affordable(settings, images[0].shape, count * oracle.classes)
    while waiting := [reversal for reversal in reversals if not reversal.done]:
        chosen = rng.choice(len(images), count, replace=False)
        for start in range(0, len(waiting), together):
            group = waiting[start : start + together]
            _ask_once(oracle, images[chosen], before[chosen], group)
        told()


def _affordable(settings: ReversalSettings, shape: tuple[int, ...], answers: int) -> int:
    """How many searches one question may hold: masks, patterns and `answers` for each candidate."""
    values = int(np.prod(shape)) + int(np.prod(shape[1:])) + answers
    return max(1, _QUESTION_BYTES // (4 * values * settings.candidates))


def _ask_once(
    oracle: SoftLabelOracle, images: FloatArray, before: LabelArray, group: Sequence[Reversal]
) -> None:
    asked = [reversal.candidates() for reversal in group]
    masks, patterns = (np.concatenate(parts) for parts in zip(*asked, strict=True))
    answers = oracle.probabilities(Stamps(images, masks, patterns))
    each = answers.reshape(len(group), -1, len(images), answers.shape[1])
    for reversal, part in zip(group, each, strict=True):
        reversal.tell(part, before)
