"""DTInspector asks whether a patch that changes confident training samples changes the others, too.

Wang et al., "Confidence Matters: Inspecting Backdoors in Deep Neural Networks via Distribution
Transfer" (section 3). The samples that a model is surest of carry the trigger where a label is
infected; the easiest patch then breaks the trigger, and does nothing to samples without one. For a
clean label it is a universal perturbation, which works on all.

The paper learns patches by gradients. Where a model shows none, the project's variant learns them
by queries, with B3D's estimator; the access in the evidence tells them apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from xray_gate.core.access import Access
from xray_gate.core.evidence import SuspectedLabel
from xray_gate.detectors.dtinspector.learning import Learner, find_learner, queries_for
from xray_gate.detectors.dtinspector.parameters import DTInspectorParameters
from xray_gate.detectors.dtinspector.selection import Predictions, predict_all
from xray_gate.detectors.interface import (
    Detector,
    Findings,
    Inconclusive,
    NotApplicable,
    Progress,
    Subject,
)
from xray_gate.detectors.trigger_reversal.outliers import anomaly_indices
from xray_gate.detectors.trigger_reversal.shrinking import ReversedTrigger
from xray_gate.probing.batches import FloatArray, LabelArray
from xray_gate.probing.oracle import as_soft
from xray_gate.probing.shown_trigger import ShownTrigger

# Fewer ratios have no outliers, and ratios of fewer samples are too coarse.
_FEWEST_LABELS = 4
_FEWEST_SAMPLES = 10
# What a report marks as suspected (the paper's threshold, and its "clean in any case"); what blocks
# a version is the policy's affair.
_INDEX, _CLEAN_ABOVE = 3.5, 0.9
# Of a patch that does not change the confident samples, nothing follows for the others.
_LEAST_FITTED = 0.75
# Nor of one that does nothing to other confident samples either: it was fitted to these alone. Two
# standard errors of the difference between shares of 25 and of 50 samples are less.
_LEAST_GAP = 0.25
# Its own training data a model has learned at least as well as the probes, but for chance.
_FORGIVEN = 0.05
_SHOWN = 4


@dataclass(frozen=True, eq=False)
class _Learned:
    """A label's patch, the unconfident samples, and the labels under the patch of three kinds."""

    label: int
    patch: ReversedTrigger
    low: FloatArray
    high_after: LabelArray
    held_back_after: LabelArray
    low_after: LabelArray

    @property
    def transfer_ratio(self) -> float:
        """The share of the unconfident samples that change, in [0, 1]."""
        return float((self.low_after != self.label).mean())

    @property
    def fitted_ratio(self) -> float:
        """The share of the confident samples that change, in [0, 1]."""
        return float((self.high_after != self.label).mean())

    @property
    def held_back_ratio(self) -> float:
        """The share of other confident samples that change, in [0, 1]."""
        return float((self.held_back_after != self.label).mean())


class DTInspector(Detector):
    """Learns a patch for each label on the samples that the model is surest of.

    Statistics: `transfer_ratio`, for each label the share in [0, 1] of its least confident samples
    that change under the patch, `fitted_ratio`, that of the confident ones (which should be about
    .95), `held_back_ratio`, that of other confident ones, which the patch was not learned on, and
    `anomaly_index`, by how many scaled median absolute deviations the transfer ratio lies
    under the median (`anomaly_indices`, with a least deviation); None for a label in
    `labels_not_tested`, which has too few samples (their numbers are in `samples`). `mask_l1`: the
    patches' sizes in pixels. `no_gradients`: why patches were learned by queries where gradients
    were to be tried first, else None. `training_accuracy` in [0, 1] and `training_samples`.

    A label is suspected with an index above 3.5, unless all ratios are above .9 (as in the paper),
    and, ours, if its patch was learned at all (a fitted ratio of .75 or more) and speaks of
    confidence: it changes more of the held-back samples than of the unconfident ones, by .25.
    """

    name = "dtinspector"
    access = Access.SOFT_LABEL

    def __init__(
        self, parameters: DTInspectorParameters | None = None, query_budget: int | None = None
    ) -> None:
        chosen = parameters or DTInspectorParameters()
        super().__init__(chosen.to_json(), query_budget)
        self._parameters = chosen

    @classmethod
    def from_json(cls, parameters: Mapping[str, Any], query_budget: int | None = None) -> Self:
        """See `Detector.from_json`."""
        return cls(DTInspectorParameters.from_json(parameters), query_budget)

    def queries_needed(self, classes: int, training: int) -> int:
        """See `Detector.queries_needed`."""
        asked_for_patches = queries_for(self._parameters, classes)
        return training + asked_for_patches + 3 * self._parameters.samples * classes

    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        training = subject.training
        if training is None:
            why = subject.training_missing or (
                "none were given; name them with --training-data or in the policy's "
                "`training_data`, or switch dtinspector off"
            )
            raise NotApplicable(f"needs the model's own training data: {why}")
        subject.refuse_one_label("no patch could change anything there")
        oracle = as_soft(subject.oracle)
        total = 2 * len(training)
        predictions = predict_all(oracle, training, lambda done: progress(done, total))
        _require_own_data(predictions, subject)
        learner = find_learner(oracle, self._parameters, training, predictions)
        learned: dict[int, _Learned] = {}
        for label, stream in enumerate(rng.spawn(oracle.classes)):
            rows = predictions.chosen(label, self._parameters.samples)
            if len(rows.confident) >= _FEWEST_SAMPLES:
                high, low = training.take(rows.confident), training.take(rows.unconfident)
                patch = learner.learn(label, high, stream)
                asked = high, training.take(rows.held_back), low
                after = [oracle.labels(patch.stamped(images)) for images in asked]
                learned[label] = _Learned(label, patch, low, *after)
            progress(len(training) + (label + 1) * len(training) // oracle.classes, total)
        if len(learned) < _FEWEST_LABELS:
            raise Inconclusive(
                f"only {len(learned)} of {oracle.classes} labels have {5 * _FEWEST_SAMPLES // 2} "
                f"training samples that are predicted so, and {_FEWEST_LABELS} are needed to "
                "compare; give the whole training set"
            )
        return _findings(learned, predictions, learner)


def _require_own_data(predictions: Predictions, subject: Subject) -> None:
    on_probes = float((subject.probe_labels == subject.probes.labels).mean())
    if predictions.accuracy < on_probes - _FORGIVEN:
        raise Inconclusive(
            f"the model is right on {predictions.accuracy:.1%} of the training data and on "
            f"{on_probes:.1%} of the probes, so it was hardly trained on these data; on others "
            "the method says nothing, give its own"
        )


def _findings(
    learned: Mapping[int, _Learned], predictions: Predictions, learner: Learner
) -> Findings:
    ratios = [found.transfer_ratio for found in learned.values()]
    # Where nine ratios are 1 and one is .95 the deviation is 0. It counts as no less than the
    # standard error that a share of so many samples has at most.
    least = min(0.5 / len(found.low_after) ** 0.5 for found in learned.values())
    indices = dict(zip(learned, anomaly_indices(ratios, least).tolist(), strict=True))
    labels = range(predictions.classes)

    def of(values: Mapping[int, float]) -> list[float | None]:
        return [values.get(label) for label in labels]

    statistics = {
        "transfer_ratio": of({label: found.transfer_ratio for label, found in learned.items()}),
        "fitted_ratio": of({label: found.fitted_ratio for label, found in learned.items()}),
        "held_back_ratio": of({label: found.held_back_ratio for label, found in learned.items()}),
        "anomaly_index": of(indices),
        "mask_l1": of({label: found.patch.size for label, found in learned.items()}),
        "samples": np.bincount(predictions.labels, minlength=predictions.classes).tolist(),
        "labels_not_tested": [label for label in labels if label not in learned],
        "training_accuracy": predictions.accuracy,
        "training_samples": len(predictions.labels),
        "no_gradients": learner.note,
    }
    suspected = [
        label
        for label, found in learned.items()
        if indices[label] > _INDEX
        and found.fitted_ratio >= _LEAST_FITTED
        and found.held_back_ratio - found.transfer_ratio >= _LEAST_GAP
    ]
    if min(ratios) > _CLEAN_ABOVE:
        suspected = []
    suspected.sort(key=lambda label: -indices[label])
    lowest = min(learned, key=lambda label: learned[label].transfer_ratio)
    return Findings(
        statistics,
        tuple(SuspectedLabel(label, 1 - learned[label].transfer_ratio) for label in suspected),
        triggers=tuple(_exhibit(learned[label]) for label in suspected[:3] or [lowest]),
        access=learner.access,
    )


def _exhibit(found: _Learned) -> ShownTrigger:
    """Some of the least confident samples, and what the patch does to them."""
    rows = slice(0, _SHOWN)
    stamped = found.patch.stamped(found.low[rows])
    return ShownTrigger(
        detector=DTInspector.name,
        text=f"a patch that changes confident samples of label {found.label}, on unconfident ones",
        before=found.low[rows],
        after=stamped.images(0, len(stamped)),
        labels_before=np.full(len(found.low[rows]), found.label),
        labels_after=found.low_after[rows],
        mask=found.patch.mask,
        pattern=found.patch.pattern,
        label=found.label,
    )
