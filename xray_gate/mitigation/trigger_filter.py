"""Rejects inputs that carry a trigger which was reversed, and answers the others.

B3D (Dong et al., ICCV 2021), section 5: reliable predictions of a backdoored model that cannot be
changed. The paper names no threshold; ours is a quantile of clean samples' scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from xray_gate.core.errors import InputError
from xray_gate.mitigation.trigger_score import Scored, Scores, trigger_scores
from xray_gate.probing.batches import FloatArray, LabelArray
from xray_gate.probing.oracle import HardLabelOracle
from xray_gate.probing.trigger_files import StoredTrigger

REJECTED = -1
"""Stands for the label of an input that is not answered."""


def rejection_threshold(clean: Scores, rate: float) -> float:
    """The score under which an input is rejected, from the scores of n clean samples, float64 (n,).

    It is the k-th smallest one, with k the whole part of `rate` * (n + 1): of clean inputs like
    these samples, at most the share `rate`, in (0, 1), scores lower. That holds on average over all
    classes; most of those that do are of the trigger's own label, whose answer it changes least.
    It holds less well for samples that the triggers were fitted to.

    Raises `InputError` where there are too few samples for the rate (fewer than 1 / rate - 1), and
    where so many of them score 0, as inputs with the trigger do, that nothing could be rejected.
    """
    if not 0 < rate < 1:
        raise ValueError(f"a rate of false rejections is between 0 and 1, not {rate}")
    # Without the small term 0.29 * 100 would be 28.
    place = int(rate * (len(clean) + 1) + 1e-9)
    if place < 1:
        raise InputError(
            f"{len(clean)} clean samples are too few for a rate of {rate:g}; give "
            f"{int(np.ceil(1 / rate - 1e-9)) - 1} or more, or raise the rate"
        )
    threshold = float(np.sort(clean)[place - 1])
    if threshold <= 0:
        lowest = int(np.count_nonzero(clean <= 0))
        raise InputError(
            f"{lowest} of {len(clean)} clean samples do not change their answer under the trigger "
            f"at all, so that a rate of {rate:g} rejects nothing; raise it above "
            f"{lowest / (len(clean) + 1):.2g}"
        )
    return threshold


@dataclass(frozen=True, eq=False)
class TriggerFilter:
    """A model that answers only inputs whose score is not under `threshold`.

    `oracle` is asked 1 + len(triggers) questions for each input.
    """

    oracle: HardLabelOracle
    triggers: Sequence[StoredTrigger]
    threshold: float

    @classmethod
    def fitted(
        cls,
        oracle: HardLabelOracle,
        triggers: Sequence[StoredTrigger],
        clean: FloatArray,
        rate: float = 0.05,
    ) -> Self:
        """A filter that rejects at most the share `rate` of inputs like `clean`.

        `clean`: samples without a trigger, float32 (n, channels, height, width) in [0, 1], best
        such that the scan did not see. Raises what `trigger_scores` and `rejection_threshold` do.
        """
        scores = trigger_scores(oracle, clean, triggers).scores
        return cls(oracle, triggers, rejection_threshold(scores, rate))

    def score(self, images: FloatArray) -> Scored:
        """See `trigger_scores`."""
        return trigger_scores(self.oracle, images, self.triggers)

    def suspects(self, scored: Scored) -> npt.NDArray[np.bool_]:
        """Which inputs are rejected, bool (n,)."""
        return scored.scores < self.threshold

    def labels(self, images: FloatArray) -> LabelArray:
        """The model's labels, int64 (n,), and `REJECTED` for inputs that carry a trigger.

        `images` and errors as for `trigger_scores`.
        """
        scored = self.score(images)
        return np.where(self.suspects(scored), REJECTED, scored.labels)
