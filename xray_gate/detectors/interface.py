"""What every detector is: a scan that asks an oracle and returns evidence, never a verdict."""

import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, Self, final

import numpy as np

from xray_gate.core.access import Access
from xray_gate.core.budget import QueryBudget
from xray_gate.core.errors import BudgetExhausted, InputError, ScanError, XrayGateError
from xray_gate.core.evidence import DetectorEvidence, RunState, SuspectedLabel
from xray_gate.probing.batches import LabelArray
from xray_gate.probing.oracle import LABELS_ONLY, BudgetedOracle, HardLabelOracle, is_soft
from xray_gate.probing.planes import ScannedPlane
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.probing.shown_trigger import ShownTrigger
from xray_gate.probing.training_data import TrainingData

_log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


class NotApplicable(Exception):
    """Raised by a detector that lacks what it needs to begin; the message is the reason."""


class Inconclusive(Exception):
    """Raised by a detector that cannot say anything about this model; the message is the reason."""


@dataclass(frozen=True)
class Findings:
    """What a completed scan measured. `statistics` holds JSON values only, all of them finite.

    `access`: what was seen of the model, where that is more than the detector's class says.
    """

    statistics: Mapping[str, Any]
    suspected_labels: tuple[SuspectedLabel, ...] = ()
    planes: tuple[ScannedPlane, ...] = ()
    triggers: tuple[ShownTrigger, ...] = ()
    access: Access | None = None


class Stopping(Protocol):
    """When a detector may stop before it has measured all that its parameters allow."""

    def judges(self, kind: str) -> bool:
        """Whether the verdict hangs on statistics of this kind (the part after the dot)."""
        ...

    def settled(self, scores: Mapping[str, Sequence[float]]) -> str | None:
        """Why further measurements would not change the verdict, in words; None if they might.

        `scores`: `statistic.kind` to its values so far.
        """
        ...


@dataclass(frozen=True)
class Subject:
    """What a detector looks at: a model that it may ask, and clean samples.

    `probe_labels` are the model's own labels for the probes, int64 (n,). `champion` is an admitted
    model of the same task, if there is one to compare with; `training` the data that the model was
    trained on, if they are known, and `training_missing` why they are not where they were wanted.
    """

    oracle: HardLabelOracle
    probes: ProbeSet
    probe_labels: LabelArray
    champion: HardLabelOracle | None = None
    training: TrainingData | None = None
    training_missing: str | None = None
    stopping: Stopping | None = None

    def refuse_one_label(self, consequence: str) -> None:
        """Raise `Inconclusive` where the model gives all probes the same label.

        `consequence` completes "..., so"; it is what such a model leaves nothing of.
        """
        if len(np.unique(self.probe_labels)) == 1:
            raise Inconclusive(
                f"a model that predicts one label only: {int(self.probe_labels[0])} for all "
                f"{len(self.probe_labels)} probes, so {consequence}; check the preprocessing and "
                "which output holds the class scores"
            )


@dataclass(frozen=True)
class DetectorRun:
    """The evidence, and what a report draws of it (empty unless completed)."""

    evidence: DetectorEvidence
    planes: tuple[ScannedPlane, ...] = field(default=())
    triggers: tuple[ShownTrigger, ...] = field(default=())


class Detector(ABC):
    """Base of the detectors: a subclass measures, this class accounts for what it did.

    `parameters` (JSON values) go into the evidence; `query_budget` is the largest number of
    queries that one run may make, None for what the parameters need. Raises `InputError` when that
    is negative.
    """

    name: ClassVar[str]
    access: ClassVar[Access]

    def __init__(self, parameters: Mapping[str, Any], query_budget: int | None) -> None:
        if query_budget is not None and query_budget < 0:
            raise InputError(
                f"{self.name}: the query budget is {query_budget}; set it to 0 or more, or leave "
                "it out for what the parameters need"
            )
        self.parameters = dict(parameters)
        self.query_budget = query_budget

    @classmethod
    @abstractmethod
    def from_json(cls, parameters: Mapping[str, Any], query_budget: int | None = None) -> Self:
        """Build from JSON values, each of which may be left out for its default.

        Without `query_budget` it is what the parameters need. Raises `InputError` for a parameter
        that is unknown or out of range.
        """

    @abstractmethod
    def queries_needed(self, classes: int, training: int) -> int:
        """The most that a run with these parameters asks of a model that knows `classes` labels.

        `training`: how many training samples there are.
        """

    @final
    def budget(self, classes: int, training: int = 0) -> int:
        """The most that a run may ask such a model."""
        if self.query_budget is not None:
            return self.query_budget
        return self.queries_needed(classes, training)

    @final
    def run(
        self,
        subject: Subject,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> DetectorRun:
        """Scan the subject's model; whatever goes wrong becomes evidence that says so.

        The budget holds for the model; a champion may be asked as often again. `progress` is told
        how many of how many steps are done. Completed runs differ from inconclusive ones (the
        detector has too little to go by, or its budget is spent), skipped ones (the model does not
        give what the detector's `access` says, or data are missing) and errored ones (the model's
        process or answers failed, or a bug of ours). `InputError` and `LeaseLost` pass through:
        they concern the whole scan, not one detector.
        """
        samples = 0 if subject.training is None else len(subject.training)
        budget = QueryBudget(self.budget(subject.oracle.classes, samples))
        started = time.perf_counter()
        draft = DetectorEvidence(
            self.name,
            self.access,
            RunState.ERRORED,
            parameters={**self.parameters, "query_budget": budget.limit},
        )
        if self.access is Access.SOFT_LABEL and not is_soft(subject.oracle):
            return _stopped(draft, RunState.SKIPPED, LABELS_ONLY)
        run = self._guarded(draft, self._within_budget(subject, budget), rng, progress)
        measured = replace(
            run.evidence, queries=budget.spent, seconds=time.perf_counter() - started
        )
        return replace(run, evidence=measured)

    def _guarded(
        self,
        draft: DetectorEvidence,
        subject: Subject,
        rng: np.random.Generator,
        progress: Progress | None,
    ) -> DetectorRun:
        try:
            found = self._scan(subject, rng, progress or _ignore)
            # A NaN compares as "not below the threshold", that is as a pass.
            json.dumps(found.statistics, allow_nan=False)
        except NotApplicable as error:
            return _stopped(draft, RunState.SKIPPED, str(error))
        except (Inconclusive, BudgetExhausted) as error:
            return _stopped(draft, RunState.INCONCLUSIVE, str(error))
        except ScanError as error:
            return _stopped(draft, RunState.ERRORED, str(error))
        except XrayGateError:
            raise
        except Exception as error:
            _log.exception("the detector %s failed", self.name)
            reason = f"{_whose_bug(type(self))}: {type(error).__name__}: {error}; please report it"
            return _stopped(draft, RunState.ERRORED, reason)
        completed = replace(
            draft,
            state=RunState.COMPLETED,
            access=found.access or draft.access,
            statistics=found.statistics,
            suspected_labels=found.suspected_labels,
        )
        return DetectorRun(completed, found.planes, found.triggers)

    def _within_budget(self, subject: Subject, budget: QueryBudget) -> Subject:
        champion = subject.champion
        if champion is not None:
            champion = BudgetedOracle(champion, QueryBudget(budget.limit))
        return replace(subject, oracle=BudgetedOracle(subject.oracle, budget), champion=champion)

    @abstractmethod
    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        """Measure, or raise `Inconclusive`; other arguments and errors as for `run`."""


def _whose_bug(kind: type[Detector]) -> str:
    """Whom a crash is to be told: the authors of a plug-in, where the detector is theirs."""
    package, ours = (name.partition(".")[0] for name in (kind.__module__, __name__))
    return "a bug of ours" if package == ours else f"a bug in the plug-in {package}"


def _ignore(done: int, total: int) -> None:
    """Progress that nobody wants to see."""


def _stopped(draft: DetectorEvidence, state: RunState, reason: str) -> DetectorRun:
    return DetectorRun(replace(draft, state=state, reason=reason))
