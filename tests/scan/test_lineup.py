"""Scans with detectors of plug-ins, installed and not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.policy.builders import fixed, policy
from tests.scan.making import QUICK_SWEEP, TINY, clock, scan
from tests.scan.test_pipeline import detector_of, measured
from tests.support.plugins import Answer, Second
from xray_gate.core.errors import ScanError
from xray_gate.core.evidence import Evidence, RunState
from xray_gate.core.verdict import Verdict
from xray_gate.detectors.all_detectors import ALL_DETECTORS
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy
from xray_gate.scan.lineup import Known, stream_of_a_plugin
from xray_gate.scan.pipeline import unscannable

ONE: Known = {**ALL_DETECTORS, "answer": Answer}
BOTH: Known = {**ALL_DETECTORS, "answer": Answer, "second": Second}
BOUND = {"statistic": "share", "bound": 0.99, "suspicious": "above", "source": "a test"}


def rules(others: dict[str, Any] | None = None, **changes: Any) -> Policy:
    xray = {**TINY, "thresholds": [fixed(-1.0)]}
    named = {"model_xray": xray, "trigger_sweep": QUICK_SWEEP, "others": others or {}}
    return policy(detectors={**named, **changes})


def spec(**changes: Any) -> dict[str, Any]:
    return {"parameters": {"images": 20}, "thresholds": [BOUND], **changes}


def scanned(folder: Path, wanted: Policy, known: Known = BOTH, seed: int = 0) -> Evidence:
    return scan(folder, rules=wanted, detectors=known, seed=seed).evidence


def test_a_plug_in_is_scanned_and_judged_after_ours(tmp_path: Path) -> None:
    wanted = rules({"answer": spec()})
    evidence = scanned(tmp_path, wanted)
    assert [item.name for item in evidence.detectors] == [*ALL_DETECTORS, "answer", "second"]
    found = detector_of(evidence, "answer")
    assert (found.state, found.queries) == (RunState.COMPLETED, 20)
    assert found.parameters == {"images": 20, "query_budget": 20}
    assert detector_of(evidence, "second").reason == "the policy does not name it"
    assert decide(wanted, evidence).verdict is Verdict.PASSED
    tight = rules({"answer": spec(thresholds=[{**BOUND, "bound": 0.1}])})
    assert decide(tight, evidence).verdict is Verdict.FAILED


def test_no_plug_in_moves_what_ours_measure(tmp_path: Path) -> None:
    wanted = rules({"answer": spec(), "second": spec()})
    alone = scanned(tmp_path, rules(), ALL_DETECTORS)
    beside = scanned(tmp_path, wanted)
    for name in ("model_xray", "trigger_sweep"):
        assert measured(detector_of(beside, name)) == measured(detector_of(alone, name))


def test_no_plug_in_moves_what_another_one_measures(tmp_path: Path) -> None:
    one = scanned(tmp_path, rules({"second": spec()}), {**ALL_DETECTORS, "second": Second})
    both = scanned(tmp_path, rules({"answer": spec(), "second": spec()}))
    assert measured(detector_of(one, "second")) == measured(detector_of(both, "second"))
    drawn = {detector_of(both, name).statistics["drawn"] for name in ("answer", "second")}
    assert len(drawn) == 2


def test_a_stream_follows_the_seed_and_the_name() -> None:
    def first(seed: int, name: str) -> int:
        return int(stream_of_a_plugin(seed, name).integers(2**62))

    assert first(0, "answer") == first(0, "answer") == 2436197257784711330
    drawn = {first(seed, name) for seed in (0, 1) for name in ("answer", "second")}
    ours = np.random.default_rng(0).spawn(8)
    drawn |= {int(stream.integers(2**62)) for stream in ours}
    assert len(drawn) == 12


@pytest.mark.parametrize(
    ("mode", "verdict"), [("required", Verdict.UNDECIDED), ("optional", Verdict.PASSED)]
)
def test_a_plug_in_that_is_not_installed_is_skipped_with_the_reason(
    mode: str, verdict: Verdict, tmp_path: Path
) -> None:
    wanted = rules({"second": spec(), "gone": spec(mode=mode), "answer": spec()})
    evidence = scanned(tmp_path, wanted)
    names = [item.name for item in evidence.detectors]
    assert names == [*ALL_DETECTORS, "answer", "gone", "second"]
    found = detector_of(evidence, "gone")
    assert (found.state, found.queries, found.parameters) == (RunState.SKIPPED, 0, {})
    assert str(found.reason).startswith("no installed plug-in has a detector of this name; install")
    assert decide(wanted, evidence).verdict is verdict


@pytest.mark.parametrize("mode", ["required", "optional"])
@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"images": 0}, "it cannot be built (answer: images is 0; give 1 or more); correct"),
        ({"depth": 1}, "it cannot be built (answer: no parameter 'depth'; use one of images); "),
        ({"images": "many"}, "it cannot be built (TypeError: "),
    ],
)
def test_parameters_that_a_plug_in_refuses_never_pass(
    parameters: dict[str, Any], said: str, mode: str, tmp_path: Path
) -> None:
    wanted = rules({"answer": spec(parameters=parameters, mode=mode)})
    evidence = scanned(tmp_path, wanted)
    found = detector_of(evidence, "answer")
    assert found.state is RunState.ERRORED
    assert said in str(found.reason)
    assert decide(wanted, evidence).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("parameters", [{"images": 20}, {"images": 0}])
def test_a_plug_in_that_is_off_is_skipped(parameters: dict[str, Any], tmp_path: Path) -> None:
    wanted = rules({"answer": spec(mode="off", parameters=parameters)})
    evidence = scanned(tmp_path, wanted)
    found = detector_of(evidence, "answer")
    assert (found.state, found.reason) == (RunState.SKIPPED, "the policy switches it off")
    assert found.parameters == parameters
    assert decide(wanted, evidence).verdict is Verdict.PASSED


def test_a_plug_in_can_wait_for_the_sweep(tmp_path: Path) -> None:
    for near, state in (
        ({"factor": 1.5, "margin": 0}, RunState.SKIPPED),
        ({"factor": 1e6}, RunState.COMPLETED),
    ):
        wanted = rules({"answer": spec(only_near={"detectors": ["trigger_sweep"], **near})})
        evidence = scanned(tmp_path, wanted)
        assert detector_of(evidence, "answer").state is state
        assert decide(wanted, evidence).verdict is Verdict.PASSED


def test_an_obstacle_is_every_plug_ins_too(tmp_path: Path) -> None:
    wanted = rules({"answer": spec(), "gone": spec()})
    error = ScanError("it cannot be asked")
    output = scan(tmp_path, rules=wanted, detectors=BOTH, error=error)
    other = unscannable("models:/signs/1", wanted, "it cannot be asked", clock()())
    for evidence in (output.evidence, other.evidence):
        for name in ("answer", "gone"):
            found = detector_of(evidence, name)
            assert (found.state, found.reason) == (RunState.ERRORED, "it cannot be asked")
        assert decide(wanted, evidence).verdict is Verdict.UNDECIDED
