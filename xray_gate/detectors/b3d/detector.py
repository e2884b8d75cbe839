"""B3D: a trigger is reversed for every class; a class whose trigger is far too small is suspect.

Dong et al., "Black-box Detection of Backdoor Attacks with Limited Information and Data", ICCV 2021:
Algorithm 1, and section 4 for the outliers. The backdoor of a class makes a much smaller mask do
than the others need.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from xray_gate.core.access import Access
from xray_gate.core.evidence import SuspectedLabel
from xray_gate.detectors.b3d.parameters import B3DParameters
from xray_gate.detectors.b3d.synthetic import check_size, synthetic_images, synthetic_queries
from xray_gate.detectors.interface import Detector, Findings, Inconclusive, Progress, Subject
from xray_gate.detectors.trigger_reversal.outliers import anomaly_indices, too_small
from xray_gate.detectors.trigger_reversal.reversal import (
    Reversal,
    TowardsLabel,
    reverse_together,
)
from xray_gate.detectors.trigger_reversal.shrinking import ReversedTrigger
from xray_gate.probing.batches import FloatArray, LabelArray
from xray_gate.probing.oracle import SoftLabelOracle, as_soft
from xray_gate.probing.shown_trigger import ShownTrigger

# Fewer masks have no outliers.
_FEWEST_CLASSES = 4
_FEWEST_IMAGES = 16
_MOST_HELD_BACK = 200
# What a report marks as suspected; what blocks a version is the policy's affair.
_INDEX, _SHARE, _AT_MOST, _SUCCESS = 2.0, 0.25, 0.25, 0.75
_SHOWN = 4
_MOST_SHOWN = 3


@dataclass(frozen=True, eq=False)
class _Measured:
    """A reversed trigger, and the labels of the held-back images under it."""

    label: int
    trigger: ReversedTrigger
    after: LabelArray


class B3D(Detector):
    """Reverses a trigger for every class by probabilities, and compares the masks' sizes.

    Statistics, each a list with one entry a label: `mask_l1`, the L1 norm of the soft mask in
    pixels; `anomaly_index`, by how many scaled median absolute deviations it lies under the median
    (`anomaly_indices`); `success_rate`, the share in [0, 1] of the held-back images of other labels
    that the trigger moves there; `success_rate_by_class`, the same by the images' own label (None
    where there are none); `reached`, whether the search found a trigger that does on its
    mini-batches; `iterations` and `stopped`, how long it searched and why it ended.

    A label is suspected where its mask is under a quarter of the median, or under half of it with
    an index above 2, and the trigger also moves three quarters of the held-back images.
    """

    name = "b3d"
    access = Access.SOFT_LABEL

    def __init__(
        self, parameters: B3DParameters | None = None, query_budget: int | None = None
    ) -> None:
        chosen = parameters or B3DParameters()
        super().__init__(chosen.to_json(), query_budget)
        self._parameters = chosen

    @classmethod
    def from_json(cls, parameters: Mapping[str, Any], query_budget: int | None = None) -> Self:
        """See `Detector.from_json`."""
        return cls(B3DParameters.from_json(parameters), query_budget)

    def queries_needed(self, classes: int, training: int) -> int:
        """See `Detector.queries_needed`."""
        searches = classes * (self._parameters.settings.queries + _MOST_HELD_BACK)
        made = synthetic_queries(classes) if self._parameters.images == "synthetic" else 0
        return searches + made + _SHOWN * _MOST_SHOWN

    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        oracle = as_soft(subject.oracle)
        if oracle.classes < _FEWEST_CLASSES:
            raise Inconclusive(
                f"the model knows {oracle.classes} labels, and among fewer than {_FEWEST_CLASSES} "
                "masks none can stand out; use trigger_sweep for such models"
            )
        subject.refuse_one_label("any mask moves everything there")
        split_rng, image_rng, *search_rngs, batch_rng = rng.spawn(3 + oracle.classes)
        fitted, held_back = self._images(subject, oracle, split_rng, image_rng)
        reversals = [
            Reversal(fitted[0].shape[1:], TowardsLabel(label), self._parameters.settings, stream)
            for label, stream in enumerate(search_rngs)
        ]
        total = self._parameters.iterations * oracle.classes

        def tell() -> None:
            ended = [self._parameters.iterations if r.done else r.iterations for r in reversals]
            progress(sum(ended), total)

        settings = self._parameters.settings
        reverse_together(oracle, *fitted, reversals, settings, batch_rng, tell)
        measured = [
            _Measured(label, trigger, oracle.labels(trigger.stamped(held_back[0])))
            for label, trigger in enumerate(reversal.found() for reversal in reversals)
        ]
        return _findings(measured, held_back)

    def _images(
        self,
        subject: Subject,
        oracle: SoftLabelOracle,
        split_rng: np.random.Generator,
        image_rng: np.random.Generator,
    ) -> tuple["_Labelled", "_Labelled"]:
        """What triggers are fitted to, and what they are measured on: images and their labels."""
        images, labels = subject.probes.images, subject.probe_labels
        correct = split_rng.permutation(np.flatnonzero(labels == subject.probes.labels))
        if len(correct) < 2 * _FEWEST_IMAGES:
            raise Inconclusive(
                f"only {len(correct)} probes are classified as labelled, and {2 * _FEWEST_IMAGES} "
                "are needed to fit triggers and to measure them; give more probes"
            )
        half = max(len(correct) // 2, len(correct) - _MOST_HELD_BACK)
        fit, held_back = correct[:half], correct[half:]
        measured = images[held_back], labels[held_back]
        if self._parameters.images == "probes":
            return (images[fit], labels[fit]), measured
        check_size(images.shape[1:])
        return synthetic_images(oracle, images.shape[1:], image_rng), measured


_Labelled = tuple[FloatArray, LabelArray]


def _findings(measured: list[_Measured], held_back: _Labelled) -> Findings:
    images, before = held_back
    sizes = [found.trigger.size for found in measured]
    rates = [_success(found, before) for found in measured]
    statistics = {
        "mask_l1": sizes,
        "anomaly_index": anomaly_indices(sizes).tolist(),
        "success_rate": rates,
        "success_rate_by_class": [_success_by_class(found, before) for found in measured],
        "reached": [found.trigger.reached for found in measured],
        "iterations": [found.trigger.iterations for found in measured],
        "stopped": [found.trigger.why for found in measured],
        "held_back": len(before),
    }
    small = too_small(sizes, _INDEX, _SHARE, _AT_MOST)
    suspected = [m for m in measured if small[m.label] and rates[m.label] >= _SUCCESS]
    suspected.sort(key=lambda found: found.trigger.size)
    shown = suspected[:_MOST_SHOWN] or [min(measured, key=lambda found: found.trigger.size)]
    return Findings(
        statistics,
        tuple(SuspectedLabel(found.label, rates[found.label]) for found in suspected),
        triggers=tuple(_exhibit(found, images, before) for found in shown),
    )


def _success(found: _Measured, before: LabelArray) -> float:
    counted = before != found.label
    return float((found.after == found.label)[counted].mean()) if counted.any() else 0.0


def _success_by_class(found: _Measured, before: LabelArray) -> dict[str, float]:
    moved = found.after == found.label
    classes = np.unique(before[before != found.label])
    return {str(source): float(moved[before == source].mean()) for source in classes}


def _exhibit(found: _Measured, images: FloatArray, before: LabelArray) -> ShownTrigger:
    """Some held-back images of other labels, and what the trigger does to them."""
    rows = np.flatnonzero(before != found.label)[:_SHOWN]
    trigger = found.trigger
    stamped = trigger.stamped(images[rows])
    return ShownTrigger(
        detector=B3D.name,
        text=f"a reversed trigger of {trigger.size:.1f} pixels for label {found.label}",
        before=images[rows],
        after=stamped.images(0, len(stamped)),
        labels_before=before[rows],
        labels_after=found.after[rows],
        mask=trigger.mask,
        pattern=trigger.pattern,
        label=found.label,
    )
