from typing import Any

import numpy as np
import pytest

from tests.fakes.oracles import RegionsOracle
from tests.policy.builders import SCORES, xray
from tests.scan.making import CENTRES, TINY, probe_set
from xray_gate.detectors.interface import Subject
from xray_gate.detectors.model_xray.detector import ModelXray
from xray_gate.policy.xray_statistics import STATISTICS, names_of_statistics, xray_scores


def test_the_statistics_are_measured_by_the_detector() -> None:
    """Every one has a number in each range; thresholds for others could never be judged."""
    oracle, probes = RegionsOracle(CENTRES), probe_set()
    subject = Subject(oracle, probes, oracle.labels(probes.as_batch()))
    run = ModelXray.from_json(TINY).run(subject, np.random.default_rng(0))
    scores = xray_scores(run.evidence)
    assert set(scores) == set(STATISTICS)
    assert all(isinstance(score, float) for score in scores.values())


def test_a_range_that_was_not_measured_has_no_score() -> None:
    found = xray(statistics={"ats": {"valid": 0.2}, "renyi_entropy": {"unclipped": 1.0}})
    assert xray_scores(found) == {"ats.valid": 0.2, "renyi_entropy.unclipped": 1.0}
    assert xray_scores(xray()) == SCORES


@pytest.mark.parametrize("statistics", [None, [], {}, {"ats": None}, {"ats": [1.0]}, "ats"])
def test_evidence_of_another_shape_has_no_scores(statistics: Any) -> None:
    assert xray_scores(xray(statistics=statistics)) == {}


def test_each_score_has_its_suspicious_side_and_its_metrics_name() -> None:
    below = {statistic for statistic, side in STATISTICS.items() if side == "below"}
    assert {statistic.partition(".")[0] for statistic in below} == {"renyi_entropy", "ats"}
    names = ["renyi_entropy", "ats", "largest_share", "horizon_agreement"]
    assert names_of_statistics() == names
