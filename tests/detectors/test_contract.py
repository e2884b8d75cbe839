"""What holds for every detector that this release can run."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tests.fakes.oracles import RegionsOracle
from tests.fakes.soft_oracles import GivenProbabilities, Scores, SoftOracle
from xray_gate.core.access import Access
from xray_gate.core.errors import InputError, LeaseLost, ModelAnswerError, ModelProcessError
from xray_gate.core.evidence import DetectorEvidence, Evidence, ModelFacts, RunState
from xray_gate.detectors.all_detectors import available_detectors
from xray_gate.detectors.interface import Detector, DetectorRun, Subject
from xray_gate.probing.oracle import FloatArray, HardLabelOracle
from xray_gate.probing.probe_set import ProbeSet

# Small enough to run in a blink; a new detector has to name its own.
QUICK: dict[str, Mapping[str, Any]] = {
    "model_xray": {"size": 12, "planes": 3},
    "trigger_sweep": {"families": ["patch"], "queries": 8_000},
    "b3d": {"iterations": 4, "batch": 8, "samples": 4},
}

# Enough for every detector to have something to go by.
COUNT = 60
IMAGES = np.random.default_rng(7).random((COUNT, 1, 4, 4)).astype(np.float32)
CENTRES = IMAGES[:5]
PROBES = ProbeSet(IMAGES, SoftOracle(CENTRES).labels(ProbeSet(IMAGES, np.arange(COUNT)).as_batch()))


class FailingOracle(SoftOracle):
    """Raises `error` from the second batch on."""

    def __init__(self, error: Exception) -> None:
        super().__init__(CENTRES)
        self._error = error

    def _scores(self, images: FloatArray) -> Scores:
        if len(self.batches) + len(self.soft_batches) > 1:
            raise self._error
        return super()._scores(images)


@pytest.fixture(params=available_detectors())
def detector(request: pytest.FixtureRequest) -> Detector:
    return build(request.param)


def build(name: str, query_budget: int | None = None) -> Detector:
    return available_detectors()[name].from_json(QUICK[name], query_budget)


def run(
    detector: Detector, oracle: HardLabelOracle, probes: ProbeSet = PROBES, seed: int = 0
) -> DetectorRun:
    return detector.run(Subject(oracle, probes, probes.labels), np.random.default_rng(seed))


def assert_stopped(found: DetectorRun, state: RunState) -> DetectorEvidence:
    assert found.evidence.state is state
    assert found.evidence.reason
    assert found.evidence.statistics == {}
    assert found.evidence.suspected_labels == ()
    assert found.planes == ()
    return found.evidence


def test_a_sound_model_is_scanned_to_the_end(detector: Detector) -> None:
    evidence = run(detector, SoftOracle(CENTRES)).evidence
    assert evidence.state is RunState.COMPLETED
    assert evidence.reason is None
    assert evidence.statistics
    assert evidence.name == detector.name
    assert evidence.access is detector.access


def test_queries_are_those_that_the_oracle_saw(detector: Detector) -> None:
    oracle = SoftOracle(CENTRES)
    evidence = run(detector, oracle).evidence
    assert evidence.queries == oracle.queries > 0
    assert evidence.seconds > 0.0


def test_the_default_budget_is_what_the_parameters_need(detector: Detector) -> None:
    assert run(detector, SoftOracle(CENTRES)).evidence.queries <= detector.budget(10)


def test_a_seed_fixes_the_evidence(detector: Detector) -> None:
    first, again, other = (
        run(detector, SoftOracle(CENTRES), seed=seed).evidence for seed in (1, 1, 2)
    )
    assert first.statistics == again.statistics
    assert first.suspected_labels == again.suspected_labels
    assert first.parameters == again.parameters
    assert first.statistics != other.statistics


def test_evidence_survives_json(detector: Detector) -> None:
    found = run(detector, SoftOracle(CENTRES)).evidence
    model = ModelFacts("m.onnx", "sha256:0", "onnx", 5)
    whole = Evidence("s", "t", "t", model, None, (found,), seed=0)
    text = json.dumps(whole.to_json(), allow_nan=False)
    assert Evidence.from_json(json.loads(text)) == whole


@pytest.mark.parametrize(
    "error",
    [ModelAnswerError("it said NaN; scan again"), ModelProcessError("it died; scan again")],
)
def test_a_failing_model_is_an_error(detector: Detector, error: Exception) -> None:
    oracle = FailingOracle(error)
    evidence = assert_stopped(run(detector, oracle), RunState.ERRORED)
    assert evidence.reason == str(error)
    assert evidence.queries == oracle.queries > 0


def test_an_unexpected_error_is_a_bug_of_ours_and_logged(
    detector: Detector, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        found = run(detector, FailingOracle(ZeroDivisionError("oh")))
    evidence = assert_stopped(found, RunState.ERRORED)
    assert evidence.reason is not None
    assert evidence.reason.startswith("a bug of ours: ZeroDivisionError: oh")
    assert detector.name in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("error", [LeaseLost("gone"), InputError("wrong shape")])
def test_errors_that_concern_the_whole_scan_pass_through(
    detector: Detector, error: Exception
) -> None:
    with pytest.raises(type(error), match=str(error)):
        run(detector, FailingOracle(error))


@pytest.mark.parametrize("name", available_detectors())
@pytest.mark.parametrize("budget", [0, 200])
def test_a_spent_budget_is_inconclusive(name: str, budget: int) -> None:
    oracle = SoftOracle(CENTRES)
    evidence = assert_stopped(run(build(name, budget), oracle), RunState.INCONCLUSIVE)
    assert evidence.reason is not None
    assert "query budget" in evidence.reason
    assert evidence.queries == oracle.queries <= budget
    assert evidence.parameters["query_budget"] == budget


@pytest.mark.parametrize("name", available_detectors())
def test_a_negative_budget_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: the query budget is -1; set it"):
        build(name, -1)


@pytest.mark.parametrize("name", available_detectors())
def test_an_unknown_parameter_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: no parameter 'colour'"):
        available_detectors()[name].from_json({"colour": 1})


def test_a_model_of_one_label_is_inconclusive(detector: Detector) -> None:
    oracle = GivenProbabilities([1, 0, 0, 0, 0], 5)
    subject = Subject(oracle, PROBES, np.zeros(COUNT, dtype=np.int64))
    found = detector.run(subject, np.random.default_rng(0))
    evidence = assert_stopped(found, RunState.INCONCLUSIVE)
    assert "predicts one label only" in str(evidence.reason)


def test_without_the_access_that_it_needs_a_detector_is_skipped(detector: Detector) -> None:
    oracle = RegionsOracle(CENTRES)
    if detector.access is Access.HARD_LABEL:
        assert run(detector, oracle).evidence.state is RunState.COMPLETED
        return
    evidence = assert_stopped(run(detector, oracle), RunState.SKIPPED)
    assert "gives labels, not probabilities" in str(evidence.reason)
    assert oracle.queries == 0


def test_progress_ends_when_all_is_done(detector: Detector) -> None:
    steps: list[tuple[int, int]] = []
    detector.run(
        Subject(SoftOracle(CENTRES), PROBES, PROBES.labels),
        np.random.default_rng(0),
        lambda done, total: steps.append((done, total)),
    )
    assert steps == sorted(set(steps))
    assert steps[-1][0] == steps[-1][1]


def test_runs_of_one_detector_do_not_influence_each_other(detector: Detector) -> None:
    before = run(detector, SoftOracle(CENTRES)).evidence
    run(detector, SoftOracle(CENTRES[::-1]), seed=4)
    after = run(detector, SoftOracle(CENTRES)).evidence
    assert (after.statistics, after.queries) == (before.statistics, before.queries)
