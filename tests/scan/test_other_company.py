"""A model that answers otherwise in other company: told to the end of the scan, never a pass."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.lying_oracles import BehavingOracle, ProbedOracle, one_further
from tests.fakes.oracles import RegionsOracle
from tests.policy.builders import fixed
from tests.scan.making import CENTRES, PLANE_QUERIES, QUICK_SWEEP, scan, tiny_policy
from xray_gate.core.errors import ModelProcessError
from xray_gate.core.evidence import AnswerFacts, Evidence, RunState, WayOfAsking
from xray_gate.core.verdict import Verdict
from xray_gate.policy.decision import decide
from xray_gate.probing.batches import LabelArray
from xray_gate.report.json_v1 import report_json

ADMITS_ALL = [fixed(-1.0)]
REFUSES_ALL = [fixed(50.0)]
NOT_ASKED = WayOfAsking(0, 0, 0)


def lying() -> ProbedOracle:
    return ProbedOracle(CENTRES, one_further)


def behaving() -> BehavingOracle:
    return BehavingOracle(CENTRES)


def answers(evidence: Evidence) -> AnswerFacts:
    assert evidence.answers is not None
    return evidence.answers


def test_an_honest_model_has_counts_and_no_obstacle(tmp_path: Path) -> None:
    rules = tiny_policy(ADMITS_ALL, trigger_sweep=QUICK_SWEEP)
    evidence = scan(tmp_path, rules=rules).evidence
    assert evidence.obstacle is None
    clean, points = answers(evidence).clean_among_probing, answers(evidence).probing_among_clean
    assert (clean.disagreed, points.disagreed) == (0, 0)
    # Points and stamped images.
    assert points.asked == 2 * 32
    assert clean.asked > 50


@pytest.mark.parametrize(
    ("new_oracle", "said"),
    [
        (lying, "clean images differently when they stand among probe points"),
        (behaving, "probe points differently when they stand among clean images"),
    ],
)
def test_it_is_undecided_and_what_was_measured_is_told(
    new_oracle: Callable[[], RegionsOracle], said: str, tmp_path: Path
) -> None:
    rules = tiny_policy(ADMITS_ALL)
    output = scan(tmp_path, new_oracle, rules)
    evidence = output.evidence
    assert evidence.obstacle is not None
    assert said in evidence.obstacle
    decision = decide(rules, evidence)
    assert (decision.verdict, decision.reasons) == (Verdict.UNDECIDED, (evidence.obstacle,))
    (xray,) = [item for item in evidence.detectors if item.name == "model_xray"]
    assert (xray.state, xray.queries) == (RunState.COMPLETED, PLANE_QUERIES)
    assert len(output.planes) == 4
    report = report_json(evidence, decision, "p", "sha256:0")
    ways = (report["answers"]["clean_among_probing"], report["answers"]["probing_among_clean"])
    assert sum(way["disagreed"] for way in ways) >= 5
    assert Evidence.from_json(json.loads(json.dumps(evidence.to_json()))) == evidence


def test_what_a_detector_found_still_fails_it(tmp_path: Path) -> None:
    rules = tiny_policy(REFUSES_ALL)
    evidence = scan(tmp_path, behaving, rules).evidence
    assert evidence.obstacle is not None
    assert decide(rules, evidence).verdict is Verdict.FAILED


def test_a_process_that_ends_is_told_beside_what_was_found_before(tmp_path: Path) -> None:
    class LyingThenGone(ProbedOracle):
        def _answer(self, images: Any) -> LabelArray:
            if self.queries > 136 + PLANE_QUERIES + 60:
                raise ModelProcessError("the model's process died; look why")
            return super()._answer(images)

    evidence = scan(tmp_path, lambda: LyingThenGone(CENTRES, one_further)).evidence
    assert evidence.obstacle is not None
    assert evidence.obstacle.startswith("the model answers clean images differently")
    assert evidence.obstacle.endswith("; the model's process died; look why")
    assert answers(evidence).clean_among_probing.held > 5
    assert answers(evidence).probing_among_clean == NOT_ASKED


def test_where_nothing_was_probed_nothing_is_claimed(tmp_path: Path) -> None:
    wrong = RegionsOracle(CENTRES, labels=[1, 2, 3, 0])
    evidence = scan(tmp_path, lambda: wrong).evidence
    assert answers(evidence) == AnswerFacts(40, NOT_ASKED, NOT_ASKED)
    assert scan(tmp_path, error=ModelProcessError("it died")).evidence.answers is None
