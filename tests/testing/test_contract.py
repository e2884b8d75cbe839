"""The contract for authors finds what is wrong with a detector, and nothing in a sound one."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.support.plugins import Answer
from xray_gate.core.access import Access
from xray_gate.core.evidence import SuspectedLabel
from xray_gate.detectors.interface import Detector, Findings, Progress, Subject
from xray_gate.probing.batches import Images
from xray_gate.testing.contract import DetectorContract, raised


class TestAnswer(DetectorContract):
    def build(self, query_budget: int | None = None) -> Detector:
        return Answer(query_budget=query_budget)


class AsksOutsideItsBudget(Answer):
    def queries_needed(self, classes: int, training: int) -> int:
        return self._images // 2


class DrawsElsewhere(Answer):
    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        return super()._scan(subject, np.random.default_rng(), progress)


class AlwaysDrawsTheSame(Answer):
    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        return super()._scan(subject, np.random.default_rng(0), progress)


class Remembers(Answer):
    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        self.runs = getattr(self, "runs", 0) + 1
        found = super()._scan(subject, rng, progress)
        return Findings({**found.statistics, "runs": self.runs})


class SwallowsErrors(Answer):
    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        try:
            return super()._scan(subject, rng, progress)
        except Exception:
            return Findings({"share": 0.0})


class SaysNotANumber(Answer):
    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        return Findings({**super()._scan(subject, rng, progress).statistics, "x": float("nan")})


class SaysNothing(Answer):
    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        super()._scan(subject, rng, progress)
        return Findings({})


class KeepsTuples(Answer):
    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        return Findings({**super()._scan(subject, rng, progress).statistics, "x": (1, 2)})


class SuspectsNumpyNumbers(Answer):
    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        statistics = super()._scan(subject, rng, progress).statistics
        label: Any = np.int64(1)
        return Findings(statistics, (SuspectedLabel(label, 1.0),))


class TakesAnyParameter(Answer):
    @classmethod
    def from_json(cls, parameters: Any, query_budget: int | None = None) -> "TakesAnyParameter":
        return cls(parameters.get("images", 20), query_budget)


class HidesAParameter(Answer):
    def __init__(self, images: int = 20, query_budget: int | None = None) -> None:
        super().__init__(images, query_budget)
        self.parameters = {"images": images, "depth": 3}


class SaysNoProgress(Answer):
    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        return super()._scan(subject, rng, lambda done, total: None)


class StopsBeforeTheEnd(Answer):
    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        return super()._scan(subject, rng, lambda done, total: progress(done, total + 1))


class JudgesOneLabel(Answer):
    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        noise = rng.random((self._images, *subject.probes.images.shape[1:]), dtype=np.float32)
        labels = subject.oracle.labels(Images(noise))
        progress(1, 1)
        return Findings({"share": float(labels.mean()), "drawn": float(noise.sum())})


class ClaimsSoftAccess(Answer):
    """Sound: skipped where there are no probabilities."""

    access = Access.SOFT_LABEL


CAUGHT: dict[type[Answer], set[str]] = {
    Answer: set(),
    ClaimsSoftAccess: set(),
    DrawsElsewhere: {"test_a_seed_fixes_the_evidence", "test_runs_do_not_influence_each_other"},
    AlwaysDrawsTheSame: {"test_a_seed_fixes_the_evidence"},
    Remembers: {"test_runs_do_not_influence_each_other"},
    KeepsTuples: {"test_evidence_survives_json"},
    TakesAnyParameter: {"test_an_unknown_parameter_is_refused"},
    HidesAParameter: {"test_the_parameters_in_the_evidence_build_the_same_detector"},
    SaysNoProgress: {"test_progress_ends_when_all_is_done"},
    StopsBeforeTheEnd: {"test_progress_ends_when_all_is_done"},
    JudgesOneLabel: {"test_a_model_of_one_label_leaves_nothing_to_say"},
}
AT_LEAST: dict[type[Answer], set[str]] = {
    AsksOutsideItsBudget: {"test_a_sound_model_is_scanned_to_the_end"},
    SaysNotANumber: {"test_a_sound_model_is_scanned_to_the_end"},
    SaysNothing: {"test_a_sound_model_is_scanned_to_the_end"},
    SuspectsNumpyNumbers: {"test_evidence_survives_json"},
    SwallowsErrors: {
        "test_a_failing_model_is_an_error",
        "test_an_unexpected_error_is_a_logged_bug",
        "test_errors_that_concern_the_whole_scan_pass_through",
        "test_a_spent_budget_is_inconclusive",
    },
}


def failures(detector: type[Answer], **declared: bool) -> set[str]:
    """The contract's tests that a detector fails."""

    class Contract(DetectorContract):
        def build(self, query_budget: int | None = None) -> Detector:
            return detector(query_budget=query_budget)

    for name, value in declared.items():
        setattr(Contract, name, value)
    tests = inspect.getmembers(
        Contract(), lambda member: callable(member) and member.__name__.startswith("test_")
    )
    return {name for name, test in tests if not holds(test)}


def holds(test: Callable[[], None]) -> bool:
    try:
        test()
    except Exception:
        return False
    return True


@pytest.mark.parametrize("detector", CAUGHT, ids=lambda detector: detector.__name__)
def test_exactly_what_is_wrong_is_found(detector: type[Answer]) -> None:
    assert failures(detector) == CAUGHT[detector]


@pytest.mark.parametrize("detector", AT_LEAST, ids=lambda detector: detector.__name__)
def test_what_is_badly_wrong_is_found_by_several(detector: type[Answer]) -> None:
    assert failures(detector) >= AT_LEAST[detector]


def test_what_a_detector_declares_is_held_against_it() -> None:
    assert failures(AlwaysDrawsTheSame, draws=False) == set()
    assert failures(Answer, draws=False) == {"test_a_seed_fixes_the_evidence"}
    assert failures(JudgesOneLabel, refuses_one_label=False) == set()
    one_label = {"test_a_model_of_one_label_leaves_nothing_to_say"}
    assert failures(Answer, refuses_one_label=False) == one_label


def test_without_a_build_there_is_nothing_to_test() -> None:
    said = raised(NotImplementedError, DetectorContract().test_a_sound_model_is_scanned_to_the_end)
    assert "say in `build` how" in said


def test_an_error_that_is_not_raised_is_an_assertion() -> None:
    assert raised(AssertionError, lambda: raised(KeyError, dict)) == "KeyError was not raised"
