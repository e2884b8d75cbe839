"""A detector that cannot do its work: each cause is an outcome of its own, and never a pass.

The pipeline scans a model under a policy that requires the detector, and under which it would pass.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.open_models import FakeOpener
from tests.fakes.soft_backdoors import PlantedOracle
from tests.fakes.soft_oracles import Scores
from tests.policy.builders import fixed, policy
from tests.scan.making import clock, model_file
from tests.support.planted import planted_model, samples
from xray_gate.backends.isolation import open_model
from xray_gate.backends.outputs import Head
from xray_gate.core.errors import ModelProcessError
from xray_gate.core.evidence import DetectorEvidence, Evidence, RunState
from xray_gate.core.verdict import Verdict
from xray_gate.detectors.all_detectors import ALL_DETECTORS
from xray_gate.detectors.interface import Detector
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy
from xray_gate.probing.answer_checks import check_answers
from xray_gate.probing.batches import FloatArray, LabelArray
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.probing.training_data import open_training_data
from xray_gate.scan.pipeline import Scan, ScanRequest

# Quick, and with bounds under which a sound model passes.
SETTINGS: dict[str, Mapping[str, Any]] = {
    "model_xray": {"size": 10, "planes": 2, "thresholds": [fixed(-1.0)]},
    "trigger_sweep": {"families": ["patch"], "queries": 8_000},
    "b3d": {"iterations": 60, "batch": 8, "samples": 8, "learning_rate": 0.2},
    "dtinspector": {"samples": 20, "iterations": 40, "batch": 10, "index": 50, "least_fitted": 0.1},
}
PROBES = 80
SECONDS = 4

Change = Callable[[Scores], Scores]


@dataclass(frozen=True)
class Failure:
    """What a model or a budget does to a detector: `state`, with a reason in which `said` stands.

    `at_first` changes the scores of the detector's first question, `always` those of all questions.
    """

    state: RunState
    said: str
    at_first: Change | None = None
    always: Change | None = None
    budget: int | None = None


def raising(kind: type[Exception], text: str) -> Change:
    def change(scores: Scores) -> Scores:
        raise kind(text)

    return change


def only_label_2(scores: Scores) -> Scores:
    changed = scores.copy()
    changed[:, 2] += 1000
    return changed


SOUND = Failure(RunState.COMPLETED, "")
FAILURES = {
    "time-out": Failure(
        RunState.ERRORED,
        "was not done within 600 seconds; raise `limits.seconds`",
        raising(
            ModelProcessError,
            "the model was not done within 600 seconds; raise `limits.seconds` in the policy",
        ),
    ),
    "death": Failure(
        RunState.ERRORED,
        "was killed by SIGSEGV before it answered",
        raising(
            ModelProcessError, "the model's process was killed by SIGSEGV before it answered; look"
        ),
    ),
    "bug": Failure(
        RunState.ERRORED,
        "a bug of ours: RuntimeError: oh; please report it",
        raising(RuntimeError, "oh"),
    ),
    "NaN": Failure(RunState.ERRORED, "NaN", lambda scores: np.nan * scores),
    "budget": Failure(RunState.INCONCLUSIVE, "but only 7 of 7 are left", budget=7),
    "one label": Failure(
        RunState.INCONCLUSIVE,
        f"predicts one label only: 2 for all {PROBES} probes",
        always=only_label_2,
    ),
}


class Model(PlantedOracle):
    """A clean model of random centres, which `failure` befalls."""

    def __init__(self, classes: int, failure: Failure = SOUND) -> None:
        super().__init__(np.random.default_rng(0).random((classes, 1, 8, 8)))
        self._failure = failure

    @property
    def asked(self) -> int:
        return len(self.batches) + len(self.soft_batches)

    def samples(self, count: int) -> tuple[FloatArray, LabelArray]:
        labels = np.arange(count) % self.classes
        noise = np.random.default_rng(1).normal(0, 0.1, (count, 1, 8, 8))
        centres = self._centres.reshape(-1, 1, 8, 8)
        return np.clip(centres[labels] + noise, 0, 1).astype(np.float32), labels

    def _answer(self, images: FloatArray) -> LabelArray:
        # Of NaN there is no largest; probabilities are read by the pipeline's own check.
        return Head("scores", self.classes).labels(self._scores(images), len(images))

    def _scores(self, images: FloatArray) -> Scores:
        scores, failure = super()._scores(images), self._failure
        if failure.at_first is not None and self.asked == before_the_detectors(self.classes) + 1:
            scores = failure.at_first(scores)
        return scores if failure.always is None else failure.always(scores)


@cache
def before_the_detectors(classes: int) -> int:
    """How many batches the pipeline asks before the first detector does."""
    model = Model(classes)
    check_answers(model, probes(model).as_batch(), np.random.default_rng(0))
    return model.asked


def probes(model: Model) -> ProbeSet:
    return ProbeSet(*model.samples(PROBES))


def with_budget(kind: type[Detector], budget: int) -> type[Detector]:
    """The same detector, but what it may ask is given; a policy cannot say that."""

    class Limited(kind):  # type: ignore[valid-type, misc]
        @classmethod
        def from_json(cls, parameters: Mapping[str, Any], query_budget: int | None = None) -> Any:
            return super().from_json(parameters, budget)

    return Limited


def scan(name: str, folder: Path, failure: Failure, classes: int = 5) -> tuple[Policy, Evidence]:
    """The policy, which requires the detector `name` alone, and what a scan under it found."""
    rules = policy(detectors={name: SETTINGS[name]}, min_probe_accuracy=0.1)
    model = Model(classes)
    images, labels = model.samples(200)
    np.savez(folder / "train.npz", images=images, labels=labels)
    request = ScanRequest(
        model_file(folder),
        "models:/signs/1",
        rules,
        probes(model),
        seed=0,
        training=open_training_data(folder / "train.npz"),
    )
    known = dict(ALL_DETECTORS)
    if failure.budget is not None:
        known[name] = with_budget(known[name], failure.budget)
    opener = FakeOpener(lambda: Model(classes, failure))
    return rules, Scan(opener, clock(), detectors=known)(request).evidence


def the_run(name: str, evidence: Evidence) -> DetectorEvidence:
    (found,) = [item for item in evidence.detectors if item.name == name]
    return found


def require_undecided(
    name: str, rules: Policy, evidence: Evidence, state: RunState, said: str
) -> None:
    """The detector ended in `state` because of what is `said`, and that decides."""
    found = the_run(name, evidence)
    assert (evidence.obstacle, found.state) == (None, state), found.reason
    assert said in str(found.reason)
    assert (found.statistics, found.suspected_labels) == ({}, ())
    decision = decide(rules, evidence)
    assert decision.verdict is Verdict.UNDECIDED
    assert decision.reasons == (f"{name}: {found.reason}",)


@pytest.mark.parametrize("name", ALL_DETECTORS)
def test_without_a_failure_each_detector_passes(name: str, tmp_path: Path) -> None:
    rules, evidence = scan(name, tmp_path, SOUND)
    assert the_run(name, evidence).state is RunState.COMPLETED
    assert decide(rules, evidence).verdict is Verdict.PASSED


@pytest.mark.parametrize("name", ALL_DETECTORS)
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_told_and_leaves_the_verdict_open(
    name: str, failure: str, tmp_path: Path
) -> None:
    failed = FAILURES[failure]
    require_undecided(name, *scan(name, tmp_path, failed), failed.state, failed.said)


# The sweep judges models of two labels, too.
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("model_xray", "three classes"),
        ("b3d", "the model knows 2 labels, and among fewer than 4 masks none can stand out"),
        ("dtinspector", "only 2 of 2 labels have 25 training samples"),
    ],
)
def test_too_few_classes_are_inconclusive(name: str, said: str, tmp_path: Path) -> None:
    rules, evidence = scan(name, tmp_path, SOUND, classes=2)
    require_undecided(name, rules, evidence, RunState.INCONCLUSIVE, said)


def timed_out(model: Path) -> tuple[Policy, Evidence]:
    """A scan whose model's process is killed while B3D asks; nothing else can be asked then."""
    rules = policy(
        detectors={"trigger_sweep": {"families": ["patch"]}, "b3d": {"iterations": 10_000}},
        limits={"seconds": SECONDS},
    )
    asked: list[str] = []
    request = ScanRequest(model, "m", rules, ProbeSet(*samples(200, 1)), seed=0)
    evidence = Scan(open_model, clock(), lambda *step: asked.append(step[0]))(request).evidence
    assert set(asked) == {"trigger_sweep", "b3d"}
    return rules, evidence


def test_a_real_time_out_leaves_the_verdict_open(tmp_path: Path) -> None:
    rules, evidence = timed_out(planted_model(tmp_path / "m.onnx", {}))
    # What was found before stands.
    assert the_run("trigger_sweep", evidence).state is RunState.COMPLETED
    found = the_run("b3d", evidence)
    assert (found.state, found.reason) == (RunState.ERRORED, evidence.obstacle)
    decision = decide(rules, evidence)
    assert decision.verdict is Verdict.UNDECIDED
    assert decision.reasons == (evidence.obstacle,)
    assert f"was not done within {SECONDS} seconds; raise `limits.seconds`" in decision.reasons[0]
