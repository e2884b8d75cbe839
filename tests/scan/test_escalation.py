"""A detector that runs only near another one's threshold, in a scan and in its decision."""

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.soft_oracles import SoftOracle
from tests.policy.builders import fixed, policy
from tests.scan.making import CENTRES, QUICK_SWEEP, TINY, regions, scan
from tests.scan.test_pipeline import detector_of, measured
from xray_gate.core.evidence import Evidence, RunState
from xray_gate.core.verdict import Verdict
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy

QUICK_B3D = {"iterations": 3, "batch": 8, "samples": 4}
ALWAYS = {"factor": 1e6}
NEVER = {"factor": 1.5, "margin": 0.0}


def rules(near: dict[str, Any] | None, **changes: Any) -> Policy:
    b3d: dict[str, Any] = {**QUICK_B3D}
    if near is not None:
        b3d["only_near"] = {"detectors": ["trigger_sweep"], **near}
    xray = {**TINY, "thresholds": [fixed(-1.0)], "mode": "optional"}
    named = {"model_xray": xray, "trigger_sweep": QUICK_SWEEP, "b3d": b3d, **changes}
    return policy(detectors={name: spec for name, spec in named.items() if spec is not None})


def scanned(folder: Path, wanted: Policy) -> Evidence:
    return scan(folder, lambda: SoftOracle(CENTRES), wanted).evidence


def test_far_from_the_threshold_the_expensive_detector_asks_nothing(tmp_path: Path) -> None:
    wanted = rules(NEVER)
    evidence = scanned(tmp_path, wanted)
    found = detector_of(evidence, "b3d")
    assert (found.state, found.queries) == (RunState.SKIPPED, 0)
    assert found.reason == "not needed: trigger_sweep's p = 1 is far from its level 0.01"
    assert found.parameters["iterations"] == 3
    decision = decide(wanted, evidence)
    assert decision.verdict is Verdict.PASSED, decision.reasons


def test_the_server_decides_anew_whether_it_was_needed(tmp_path: Path) -> None:
    evidence = scanned(tmp_path, rules(NEVER))
    for stricter in (rules(ALWAYS), rules(None)):
        decision = decide(stricter, evidence)
        assert decision.verdict is Verdict.UNDECIDED
        assert decision.reasons[0].startswith("b3d: ")


def test_near_the_threshold_it_runs_as_if_it_always_did(tmp_path: Path) -> None:
    near, always = (scanned(tmp_path, rules(each)) for each in (ALWAYS, None))
    assert detector_of(near, "b3d").state is RunState.COMPLETED
    for name in ("model_xray", "trigger_sweep", "b3d"):
        assert measured(detector_of(near, name)) == measured(detector_of(always, name))


@pytest.mark.parametrize("near", [NEVER, ALWAYS])
def test_whether_it_runs_does_not_change_what_the_others_measure(
    near: dict[str, Any], tmp_path: Path
) -> None:
    with_it, without = (scanned(tmp_path, each) for each in (rules(near), rules(None, b3d=None)))
    for name in ("model_xray", "trigger_sweep"):
        assert measured(detector_of(with_it, name)) == measured(detector_of(without, name))


def test_a_cheap_one_that_cannot_tell_makes_it_run(tmp_path: Path) -> None:
    # Held against no bound: inconclusive.
    wanted = rules({**NEVER, "detectors": ["model_xray"]}, model_xray={**TINY, "mode": "optional"})
    assert detector_of(scanned(tmp_path, wanted), "b3d").state is RunState.COMPLETED


def test_a_model_without_probabilities_cannot_hide_from_it(tmp_path: Path) -> None:
    for near, verdict in ((ALWAYS, Verdict.UNDECIDED), (NEVER, Verdict.PASSED)):
        evidence = scan(tmp_path, regions, rules(near)).evidence
        assert detector_of(evidence, "b3d").state is RunState.SKIPPED
        assert decide(rules(near), evidence).verdict is verdict
