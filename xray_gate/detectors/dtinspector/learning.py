"""The two ways in which DTInspector learns a patch: by gradients, or by queries alone."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from xray_gate.core.access import Access
from xray_gate.core.errors import NoGradients
from xray_gate.detectors.dtinspector.parameters import DTInspectorParameters
from xray_gate.detectors.dtinspector.selection import Predictions
from xray_gate.detectors.interface import Inconclusive, NotApplicable
from xray_gate.detectors.trigger_reversal.descent import descend_from
from xray_gate.detectors.trigger_reversal.reversal import AwayFromLabel, Reversal, reverse_together
from xray_gate.detectors.trigger_reversal.settings import ReversalSettings
from xray_gate.detectors.trigger_reversal.shrinking import ReversedTrigger
from xray_gate.probing.batches import FloatArray
from xray_gate.probing.oracle import GradientOracle, SoftLabelOracle, as_gradient
from xray_gate.probing.slope_checks import QUESTIONS_OF_A_PAIR, check_slopes
from xray_gate.probing.training_data import TrainingData

# Of images with the commonest label and as many of others, to see that gradients are right.
_COMPARED = 16


class Learner(Protocol):
    """Learns a patch under which confident samples lose their label."""

    @property
    def access(self) -> Access:
        """What it needs to see of the model."""
        ...

    @property
    def note(self) -> str | None:
        """Why it is this one, if another was to be tried first."""
        ...

    def learn(self, label: int, high: FloatArray, rng: np.random.Generator) -> ReversedTrigger:
        """The patch for `high`, float32 (n, channels, height, width), all predicted as `label`."""
        ...


def find_learner(
    oracle: SoftLabelOracle,
    parameters: DTInspectorParameters,
    training: TrainingData,
    predictions: Predictions,
) -> Learner:
    """By gradients where they are wanted and agree with the answers, else by queries if allowed.

    Raises `NotApplicable` where gradients are asked for and cannot be had.
    """
    if parameters.patches_by == "queries":
        return _ByQueries(oracle, parameters.search)
    try:
        gradients = as_gradient(oracle)
        _compare(gradients, training, predictions)
    except NoGradients as error:
        if parameters.patches_by == "gradients":
            raise NotApplicable(f"learns patches by gradients, and {error}") from error
        return _ByQueries(oracle, parameters.search, str(error))
    return _ByGradients(gradients, parameters.descent)


def queries_for(parameters: DTInspectorParameters, classes: int) -> int:
    """The most that learning the patches of so many labels asks."""
    by_queries = parameters.search.queries * classes
    by_gradients = parameters.steps * parameters.samples * classes + QUESTIONS_OF_A_PAIR * _COMPARED
    if parameters.patches_by == "queries":
        return by_queries
    if parameters.patches_by == "gradients":
        return by_gradients
    # The comparison may be paid for, and then all patches by queries.
    return max(by_queries + QUESTIONS_OF_A_PAIR * _COMPARED, by_gradients)


def _compare(oracle: GradientOracle, training: TrainingData, predictions: Predictions) -> None:
    label = int(np.bincount(predictions.labels).argmax())
    inside, outside = (
        np.flatnonzero((predictions.labels == label) == wanted)[:_COMPARED]
        for wanted in (True, False)
    )
    pairs = min(len(inside), len(outside))
    check_slopes(oracle, label, training.take(inside[:pairs]), training.take(outside[:pairs]))


@dataclass(frozen=True)
class _ByGradients:
    oracle: GradientOracle
    settings: ReversalSettings
    access = Access.GRADIENT
    note = None

    def learn(self, label: int, high: FloatArray, rng: np.random.Generator) -> ReversedTrigger:
        try:
            return descend_from(self.oracle, label, high, self.settings, rng)
        except NoGradients as error:
            # What was learned so far was learned otherwise, so the labels could not be compared.
            raise Inconclusive(f"gradients could not be used to the end: {error}") from error


@dataclass(frozen=True)
class _ByQueries:
    oracle: SoftLabelOracle
    settings: ReversalSettings
    note: str | None = None
    access = Access.SOFT_LABEL

    def learn(self, label: int, high: FloatArray, rng: np.random.Generator) -> ReversedTrigger:
        search_rng, batch_rng = rng.spawn(2)
        reversal = Reversal(high.shape[1:], AwayFromLabel(label), self.settings, search_rng)
        before = np.full(len(high), label)
        reverse_together(
            self.oracle, high, before, [reversal], self.settings, batch_rng, lambda: None
        )
        return reversal.found()
