"""What holds for every detector, ours and those of plug-ins, as tests.

Subclass `DetectorContract` in a test module under a name that begins with Test, say in `build` how
a quick instance is made, and let pytest collect it. Nothing here imports pytest.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np

from xray_gate.core.access import Access
from xray_gate.core.errors import InputError, LeaseLost, ModelAnswerError, ModelProcessError
from xray_gate.core.evidence import DetectorEvidence, Evidence, ModelFacts, RunState
from xray_gate.detectors.interface import Detector, DetectorRun, Progress, Subject
from xray_gate.probing.oracle import HardLabelOracle
from xray_gate.testing.models import LabelsOnly, NearestCentre, small_model, small_probes


class DetectorContract:
    """Tests of one detector; what it can do is declared here, not skipped.

    `draws`: whether another seed gives other statistics. `refuses_one_label`: whether a model that
    gives every image the same label leaves it nothing to say.
    """

    draws: ClassVar[bool] = True
    refuses_one_label: ClassVar[bool] = True

    def build(self, query_budget: int | None = None) -> Detector:
        """A new instance that ends in a blink; `query_budget` as in `Detector.from_json`."""
        raise NotImplementedError("say in `build` how a quick instance of the detector is made")

    def model(self, error: Exception | None = None, fails_from: int = 0) -> NearestCentre:
        """A sound model; with `error`, one that raises it from that batch on."""
        return small_model(error, fails_from)

    def subject(self, oracle: HardLabelOracle) -> Subject:
        """What the detector looks at: `oracle`, and probes that it is right on."""
        probes = small_probes()
        return Subject(oracle, probes, probes.labels)

    def run(
        self,
        oracle: HardLabelOracle,
        detector: Detector | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> DetectorRun:
        """One run of the detector, or of a new one."""
        rng = np.random.default_rng(seed)
        return (detector or self.build()).run(self.subject(oracle), rng, progress)

    def test_a_sound_model_is_scanned_to_the_end(self) -> None:
        """It ends completed, with statistics, under its own name and access."""
        detector = self.build()
        found = self.run(self.model(), detector).evidence
        assert found.state is RunState.COMPLETED, found.reason
        assert found.reason is None
        assert found.statistics
        assert (found.name, found.access) == (detector.name, detector.access)

    def test_queries_are_those_that_the_model_saw(self) -> None:
        """What is reported is what was asked."""
        model = self.model()
        assert self.run(model).evidence.queries == model.queries > 0

    def test_the_usual_budget_is_what_the_parameters_need(self) -> None:
        """A run stays within `queries_needed`."""
        model, detector = self.model(), self.build()
        found = self.run(model, detector).evidence
        assert found.queries <= found.parameters["query_budget"]

    def test_a_seed_fixes_the_evidence(self) -> None:
        """The same seed gives the same evidence, another one another."""
        first, again, other = (self.run(self.model(), seed=seed).evidence for seed in (1, 1, 2))
        assert first.statistics == again.statistics
        assert first.suspected_labels == again.suspected_labels
        assert first.parameters == again.parameters
        assert (first.statistics != other.statistics) is self.draws

    def test_evidence_survives_json(self) -> None:
        """Nothing is lost on the way through the ledger."""
        found = self.run(self.model()).evidence
        facts = ModelFacts("m.onnx", "sha256:0", "onnx", 5)
        whole = Evidence("s", "t", "t", facts, None, (found,), seed=0)
        text = json.dumps(whole.to_json(), allow_nan=False)
        assert Evidence.from_json(json.loads(text)) == whole

    def test_the_parameters_in_the_evidence_build_the_same_detector(self) -> None:
        """A policy names them, and the gate compares them with what was measured."""
        detector = self.build()
        again = type(detector).from_json(json.loads(json.dumps(detector.parameters)))
        assert again.parameters == detector.parameters

    def test_a_failing_model_is_an_error(self) -> None:
        """A model that dies or lies half-way ends the run as errored, never as completed."""
        errors = ModelAnswerError("it said NaN; scan again"), ModelProcessError("it died; look")
        for error in errors:
            model = self._failing(error)
            found = stopped(self.run(model), RunState.ERRORED)
            assert found.reason == str(error)
            assert found.queries == model.queries > 0

    def test_an_unexpected_error_is_a_logged_bug(self) -> None:
        """Whatever else is raised becomes evidence, and the log says where."""
        handler = _Kept()
        log = logging.getLogger("xray_gate.detectors.interface")
        log.addHandler(handler)
        try:
            found = self.run(self._failing(ZeroDivisionError("oh")))
        finally:
            log.removeHandler(handler)
        evidence = stopped(found, RunState.ERRORED)
        assert "ZeroDivisionError: oh; please report it" in str(evidence.reason)
        assert any(
            record.exc_info and evidence.name in record.getMessage() for record in handler.records
        )

    def test_errors_that_concern_the_whole_scan_pass_through(self) -> None:
        """Neither a lost lease nor unusable input is one detector's affair."""
        for error in (LeaseLost("gone"), InputError("wrong shape")):
            run = partial(self.run, self._failing(error))
            assert raised(type(error), run) == str(error)

    def test_a_spent_budget_is_inconclusive(self) -> None:
        """A run that would need more than it may ask says nothing."""
        needed = self.run(self.model()).evidence.queries
        for budget in (0, needed // 2):
            model = self.model()
            found = stopped(self.run(model, self.build(budget)), RunState.INCONCLUSIVE)
            assert "query budget" in str(found.reason)
            assert found.queries == model.queries <= budget
            assert found.parameters["query_budget"] == budget

    def test_a_negative_budget_is_refused(self) -> None:
        """As input that cannot be used."""
        assert "the query budget is -1" in raised(InputError, lambda: self.build(-1))

    def test_an_unknown_parameter_is_refused(self) -> None:
        """A misspelt setting must not fall back to a default."""
        build = type(self.build()).from_json
        assert "no_such" in raised(InputError, lambda: build({"no_such": 1}))

    def test_a_model_of_one_label_leaves_nothing_to_say(self) -> None:
        """Inconclusive, since no score of such a model means anything."""
        probes = small_probes()
        constant = NearestCentre(np.concatenate([probes.images[:1], 9 + 0 * probes.images[:4]]))
        zeros = np.zeros(len(probes), np.int64)
        subject = replace(self.subject(constant), probe_labels=zeros)
        found = self.build().run(subject, np.random.default_rng(0))
        if self.refuses_one_label:
            assert stopped(found, RunState.INCONCLUSIVE)
        else:
            assert found.evidence.state is RunState.COMPLETED

    def test_without_the_access_that_it_needs_it_is_skipped(self) -> None:
        """A model that gives labels only is enough for a hard-label detector."""
        model, detector = self.model(), self.build()
        found = self.run(LabelsOnly(model), detector)
        if detector.access is Access.HARD_LABEL:
            assert found.evidence.state is RunState.COMPLETED
        else:
            assert "gives labels, not probabilities" in str(stopped(found, RunState.SKIPPED).reason)
            assert model.queries == 0

    def test_progress_ends_when_all_is_done(self) -> None:
        """Steps only go on, and the last one is the last."""
        steps: list[tuple[int, int]] = []
        self.run(self.model(), progress=lambda done, total: steps.append((done, total)))
        assert steps
        assert steps == sorted(set(steps))
        assert steps[-1][0] == steps[-1][1]

    def test_runs_do_not_influence_each_other(self) -> None:
        """An instance keeps nothing of a run."""
        detector = self.build()
        before = self.run(self.model(), detector).evidence
        other = NearestCentre(small_probes().images[4::-1])
        self.run(other, detector, seed=4)
        after = self.run(self.model(), detector).evidence
        assert (after.statistics, after.queries) == (before.statistics, before.queries)

    def _failing(self, error: Exception) -> NearestCentre:
        sound = self.model()
        self.run(sound)
        return self.model(error, sound.batches // 2)


class _Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def stopped(found: DetectorRun, state: RunState) -> DetectorEvidence:
    """The evidence of a run that ended in `state`, which holds a reason and nothing measured."""
    evidence = found.evidence
    assert evidence.state is state, (evidence.state, evidence.reason)
    assert evidence.reason
    assert evidence.statistics == {}
    assert evidence.suspected_labels == ()
    assert (found.planes, found.triggers) == ((), ())
    return evidence


def raised(kind: type[Exception], call: Callable[[], Any]) -> str:
    """The text of the error of this kind that `call` raises; AssertionError where it does not."""
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"{kind.__name__} was not raised")
