import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pytest

from tests.fakes.oracles import RegionsOracle
from xray_gate.core.access import Access
from xray_gate.core.evidence import RunState
from xray_gate.detectors.interface import (
    Detector,
    DetectorRun,
    Findings,
    Inconclusive,
    Progress,
    Subject,
)
from xray_gate.probing.probe_set import ProbeSet

IMAGES = np.random.default_rng(7).random((4, 1, 2, 2)).astype(np.float32)
PROBES = ProbeSet(IMAGES, np.arange(4))


class Reports(Detector):
    """Reports the statistics that it was given, or gives up."""

    name = "reports"
    access = Access.HARD_LABEL

    @classmethod
    def from_json(cls, parameters: Mapping[str, Any], query_budget: int | None = None) -> Self:
        return cls(parameters, query_budget)

    def queries_needed(self, classes: int, training: int) -> int:
        return 8

    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        subject.oracle.labels(subject.probes.as_batch())
        progress(1, 1)
        if "give_up" in self.parameters:
            raise Inconclusive(self.parameters["give_up"])
        return Findings(self.parameters)


def run(parameters: Mapping[str, Any]) -> DetectorRun:
    detector = Reports.from_json(parameters)
    return detector.run(
        Subject(RegionsOracle(IMAGES), PROBES, PROBES.labels), np.random.default_rng(0)
    )


def test_evidence_names_detector_access_parameters_and_budget() -> None:
    evidence = run({"x": 1.5}).evidence
    assert (evidence.name, evidence.access) == ("reports", Access.HARD_LABEL)
    assert evidence.state is RunState.COMPLETED
    assert evidence.parameters == {"x": 1.5, "query_budget": 8}
    assert evidence.queries == 4


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, np.float32(1.0), {1, 2}], ids=["nan", "inf", "numpy", "set"]
)
def test_statistics_that_no_rule_can_judge_are_a_bug(value: Any) -> None:
    evidence = run({"x": value}).evidence
    assert evidence.state is RunState.ERRORED
    assert str(evidence.reason).startswith("a bug in the plug-in tests")
    assert evidence.statistics == {}


def test_giving_up_is_inconclusive_with_the_reason() -> None:
    evidence = run({"give_up": "too little to go by"}).evidence
    assert (evidence.state, evidence.reason) == (RunState.INCONCLUSIVE, "too little to go by")
    assert evidence.queries == 4
