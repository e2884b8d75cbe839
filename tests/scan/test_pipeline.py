import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.open_models import FakeOpener, FakeOpenModel
from tests.fakes.oracles import (
    BatchScaledOracle,
    NotANumberOracle,
    RandomOracle,
    RegionsOracle,
    RowMixingOracle,
    StatefulOracle,
)
from tests.policy.builders import calibrated, calibration, fixed, policy
from tests.scan.making import (
    CENTRES,
    CLASSES,
    PLANE_QUERIES,
    QUICK_SWEEP,
    TINY,
    clock,
    lasting,
    probe_set,
    regions,
    scan,
    tiny_policy,
)
from xray_gate.core.errors import (
    InputError,
    ModelProcessError,
    ScanError,
    ShapeMismatch,
)
from xray_gate.core.evidence import DetectorEvidence, Evidence, RunState
from xray_gate.core.isolation import LeastIsolation
from xray_gate.core.verdict import Outcome, Verdict
from xray_gate.detectors.all_detectors import ALL_DETECTORS
from xray_gate.policy.decision import decide
from xray_gate.probing.oracle import HardLabelOracle
from xray_gate.scan import pipeline
from xray_gate.scan.digest import model_digest
from xray_gate.scan.opening import preprocessing_of
from xray_gate.scan.pipeline import Scan, ScanRequest, default_seed, unscannable
from xray_gate.scan.ports import ModelLimits

ADMITS_ALL = [fixed(-1.0)]
# Before the planes: all probes three times, and 16 of them alone.
CHECK_QUERIES = 3 * 40 + 16


def detector_of(evidence: Evidence, name: str) -> DetectorEvidence:
    (found,) = [item for item in evidence.detectors if item.name == name]
    return found


def xray_of(evidence: Evidence) -> DetectorEvidence:
    return detector_of(evidence, "model_xray")


def sweep_of(evidence: Evidence) -> DetectorEvidence:
    return detector_of(evidence, "trigger_sweep")


def measured(found: DetectorEvidence) -> DetectorEvidence:
    return replace(found, seconds=0.0)


def test_evidence_holds_all_that_was_found(tmp_path: Path) -> None:
    output = scan(tmp_path, seed=7)
    evidence = output.evidence
    assert evidence.obstacle is None
    assert evidence.model.ref == "models:/signs/1"
    assert evidence.model.digest == model_digest(tmp_path / "signs.onnx")
    assert evidence.model.files == {".": evidence.model.digest}
    assert evidence.model.format == "onnx"
    assert evidence.model.classes == CLASSES
    assert evidence.model.architecture == "sha256:fake"
    assert evidence.probes is not None
    assert evidence.probes.count == 40
    assert evidence.probes.classes == CLASSES
    assert evidence.probes.sha256 == probe_set().sha256
    assert evidence.probes.accuracy == 1.0
    assert evidence.seed == 7
    assert evidence.started_at == "2026-11-21T02:00:00+00:00"
    assert evidence.finished_at == "2026-11-21T02:00:01+00:00"
    assert evidence.environment["runtime"] == "fake"
    assert evidence.environment["preprocessing"] == preprocessing_of(tiny_policy()).to_json()
    assert {"xray_gate", "python", "platform"} <= set(evidence.environment)


def test_every_detector_is_listed_in_the_order_of_the_report(tmp_path: Path) -> None:
    evidence = scan(tmp_path).evidence
    assert [item.name for item in evidence.detectors] == list(ALL_DETECTORS)
    assert xray_of(evidence).state is RunState.COMPLETED
    for item in evidence.detectors:
        if item.name != "model_xray":
            assert item.state is RunState.SKIPPED
            assert item.reason


@pytest.mark.parametrize("name", ["model_xray", "trigger_sweep"])
def test_a_detector_that_is_not_named_is_skipped(name: str, tmp_path: Path) -> None:
    other = {"model_xray": "trigger_sweep", "trigger_sweep": "model_xray"}[name]
    settings = {"model_xray": TINY, "trigger_sweep": QUICK_SWEEP}
    rules = policy(detectors={other: settings[other]})
    found = detector_of(scan(tmp_path, rules=rules).evidence, name)
    assert (found.state, found.queries) == (RunState.SKIPPED, 0)
    assert found.reason == "the policy does not name it"
    assert found.access is ALL_DETECTORS[name].access


def test_a_detector_that_is_off_is_skipped(tmp_path: Path) -> None:
    rules = tiny_policy(trigger_sweep={**QUICK_SWEEP, "mode": "off"})
    found = sweep_of(scan(tmp_path, rules=rules).evidence)
    assert (found.state, found.queries) == (RunState.SKIPPED, 0)
    assert found.reason == "the policy switches it off"
    assert found.parameters == QUICK_SWEEP


def test_both_detectors_run_with_the_policys_settings(tmp_path: Path) -> None:
    output = scan(tmp_path, rules=tiny_policy(trigger_sweep=QUICK_SWEEP))
    xray, sweep = xray_of(output.evidence), sweep_of(output.evidence)
    assert xray.state is sweep.state is RunState.COMPLETED
    assert sweep.parameters == {**QUICK_SWEEP, "query_budget": 8_000}
    assert 0 < sweep.queries <= 8_000
    assert len(output.planes) == 4
    assert output.triggers
    assert {trigger.detector for trigger in output.triggers} == {"trigger_sweep"}
    json.dumps(output.evidence.to_json(), allow_nan=False)


@pytest.mark.parametrize("mode", ["required", "optional"])
def test_no_detector_changes_what_another_one_measures(mode: str, tmp_path: Path) -> None:
    both = scan(tmp_path, rules=tiny_policy(trigger_sweep={**QUICK_SWEEP, "mode": mode})).evidence
    xray_alone = scan(tmp_path, rules=tiny_policy()).evidence
    sweep_alone = scan(tmp_path, rules=policy(detectors={"trigger_sweep": QUICK_SWEEP})).evidence
    assert measured(xray_of(both)) == measured(xray_of(xray_alone))
    assert measured(sweep_of(both)) == measured(sweep_of(sweep_alone))


def test_the_planes_are_those_that_calibrations_were_made_with(tmp_path: Path) -> None:
    """Frozen: another stream of random numbers makes every calibration file worthless."""
    assert list(ALL_DETECTORS)[:2] == ["model_xray", "trigger_sweep"]
    found = xray_of(scan(tmp_path).evidence).statistics
    assert found["renyi_entropy"]["unclipped"] == pytest.approx(1.3825999579393178, abs=1e-9)
    assert found["renyi_entropy"]["valid"] == pytest.approx(1.3778826471053507, abs=1e-9)


def test_the_sweeps_own_scan_can_be_judged_by_the_policy_that_it_was_made_for(
    tmp_path: Path,
) -> None:
    rules = tiny_policy(ADMITS_ALL, trigger_sweep=QUICK_SWEEP)
    decision = decide(rules, scan(tmp_path, rules=rules).evidence)
    assert {item.name: item.outcome for item in decision.judgements}["trigger_sweep"] in (
        Outcome.PASSED,
        Outcome.FAILED,
    ), decision.judgements


def test_a_sweep_that_fails_is_undecided_whatever_the_planes_say(tmp_path: Path) -> None:
    class FailsOnMany(RegionsOracle):
        def labels(self, batch: Any) -> Any:
            if len(batch) > PLANE_QUERIES:
                raise ModelProcessError("the model's process died; look why")
            return super().labels(batch)

    rules = tiny_policy(ADMITS_ALL, trigger_sweep=QUICK_SWEEP)
    evidence = scan(tmp_path, lambda: FailsOnMany(CENTRES), rules).evidence
    assert xray_of(evidence).state is RunState.COMPLETED
    assert sweep_of(evidence).state is RunState.ERRORED
    decision = decide(rules, evidence)
    assert decision.verdict is Verdict.UNDECIDED
    assert decision.reasons == ("trigger_sweep: the model's process died; look why",)


def test_a_completed_detector_has_scores_parameters_queries_and_planes(tmp_path: Path) -> None:
    output = scan(tmp_path)
    found = xray_of(output.evidence)
    assert set(found.statistics["renyi_entropy"]) == {"unclipped", "valid"}
    assert found.parameters["size"] == 10
    assert found.parameters["query_budget"] == PLANE_QUERIES == found.queries
    assert len(output.planes) == 4
    json.dumps(output.evidence.to_json(), allow_nan=False)


def test_evidence_survives_its_json(tmp_path: Path) -> None:
    evidence = scan(tmp_path).evidence
    back = Evidence.from_json(json.loads(json.dumps(evidence.to_json())))
    assert json.dumps(back.to_json()) == json.dumps(evidence.to_json())


def test_the_same_seed_gives_the_same_evidence(tmp_path: Path) -> None:
    first, second = (scan(tmp_path, seed=3).evidence for _ in range(2))
    assert lasting(first) == lasting(second)
    assert first.scan_id != second.scan_id


def test_another_seed_lays_other_planes(tmp_path: Path) -> None:
    first, second = (xray_of(scan(tmp_path, seed=s).evidence).statistics for s in (3, 4))
    assert first["per_plane"] != second["per_plane"]


def test_the_model_is_opened_as_the_policy_says_and_closed(tmp_path: Path) -> None:
    opener = FakeOpener(regions)
    rules = tiny_policy(
        preprocessing={"scale": 255, "dtype": "uint8"},
        outputs="logits",
        limits={"seconds": 12, "memory_mb": 100},
        isolation={"pickled": "bubblewrap", "other": "landlock+seccomp"},
        formats=["onnx", "pt2"],
    )
    scan(tmp_path, rules=rules, opener=opener)
    (request,) = opener.requests
    assert request.path == tmp_path / "signs.onnx"
    assert request.preprocessing == preprocessing_of(rules)
    assert (request.preprocessing.scale, request.preprocessing.dtype) == (255.0, "uint8")
    assert request.outputs == "logits"
    assert request.classes == CLASSES
    assert request.input_shape == (1, 4, 4)
    assert request.limits == ModelLimits(12.0, 100 * 2**20)
    assert request.isolation == LeastIsolation("bubblewrap", "landlock+seccomp")
    assert request.formats == ["onnx", "pt2"]
    assert opener.closed == 1


def test_what_a_model_says_of_itself_does_not_replace_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = scan(tmp_path).evidence.environment
    claims = dict.fromkeys(("preprocessing", "xray_gate", "platform", "driver"), "trust me")
    monkeypatch.setattr(FakeOpenModel, "environment", claims)
    told = scan(tmp_path).evidence.environment
    assert told["driver"] == "trust me"
    assert all(told[key] == known[key] for key in ("preprocessing", "xray_gate", "platform"))


def test_progress_counts_planes(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    rules = tiny_policy(model_xray={"planes": 3, "least_planes": 1})
    scan(tmp_path, rules=rules, progress=lambda *step: told.append(step))
    assert told == [("model_xray", 1, 3)]


UNTRUSTWORTHY: dict[str, tuple[Callable[[], HardLabelOracle], str]] = {
    "random": (lambda: RandomOracle(CLASSES, np.random.default_rng(0)), "another label"),
    "mixes rows": (lambda: RowMixingOracle(CENTRES), "another label"),
    "scales by the batch": (
        lambda: BatchScaledOracle(np.concatenate([CENTRES, 0 * CENTRES[:1]])),
        "asked for one at a time",
    ),
    "turns during the checks": (lambda: StatefulOracle(CENTRES, 100), "another label"),
    "turns after the checks": (
        lambda: StatefulOracle(CENTRES, CHECK_QUERIES),
        "asked for again in another order",
    ),
    "turns between the planes": (
        lambda: StatefulOracle(CENTRES, CHECK_QUERIES + 220),
        "asked for again in another order",
    ),
    "turns after the planes": (
        lambda: StatefulOracle(CENTRES, CHECK_QUERIES + PLANE_QUERIES + 4 * 8),
        "asked for again in another order",
    ),
    "no numbers": (lambda: NotANumberOracle(CLASSES), "answered NaN"),
}


@pytest.mark.parametrize("kind", UNTRUSTWORTHY)
def test_a_model_that_cannot_be_trusted_is_an_obstacle(kind: str, tmp_path: Path) -> None:
    new_oracle, said = UNTRUSTWORTHY[kind]
    rules = tiny_policy(ADMITS_ALL, min_probe_accuracy=0)
    output = scan(tmp_path, new_oracle, rules)
    assert output.evidence.obstacle is not None
    assert said in output.evidence.obstacle
    assert output.planes == ()
    assert output.triggers == ()
    assert [item.name for item in output.evidence.detectors] == list(ALL_DETECTORS)
    assert xray_of(output.evidence).state is RunState.ERRORED
    decision = decide(rules, output.evidence)
    assert decision.verdict is Verdict.UNDECIDED
    assert decision.reasons == (output.evidence.obstacle,)


def test_too_low_an_accuracy_skips_the_detectors_and_is_undecided(tmp_path: Path) -> None:
    oracle = RegionsOracle(CENTRES, labels=[1, 2, 3, 0])
    rules = tiny_policy(ADMITS_ALL)
    output = scan(tmp_path, lambda: oracle, rules)
    assert output.evidence.probes is not None
    assert output.evidence.probes.accuracy == 0.0
    found = xray_of(output.evidence)
    assert (found.state, found.queries) == (RunState.SKIPPED, 0)
    assert oracle.queries == CHECK_QUERIES + 40
    decision = decide(rules, output.evidence)
    assert decision.verdict is Verdict.UNDECIDED
    assert "min_probe_accuracy" in decision.reasons[0]


def test_accuracy_is_the_share_of_right_labels(tmp_path: Path) -> None:
    evidence = scan(tmp_path, lambda: RegionsOracle(CENTRES, labels=[0, 1, 2, 0])).evidence
    assert evidence.probes is not None
    assert evidence.probes.accuracy == 0.75


def test_a_model_of_another_number_of_classes_than_declared_is_undecided(tmp_path: Path) -> None:
    fitting, other = (tiny_policy(ADMITS_ALL, classes=count) for count in (CLASSES, CLASSES + 1))
    assert decide(fitting, scan(tmp_path, rules=fitting).evidence).verdict is Verdict.PASSED
    decision = decide(other, scan(tmp_path, rules=other).evidence)
    assert decision.verdict is Verdict.UNDECIDED
    assert "has 4 classes, but the policy images says 5; correct `classes`" in decision.reasons[0]


def test_probes_of_more_classes_than_declared_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there are 3 classes, .* label 3; correct `classes`"):
        scan(tmp_path, rules=tiny_policy(ADMITS_ALL, classes=3))


def test_a_model_that_could_not_be_looked_at_never_passes() -> None:
    rules = tiny_policy(ADMITS_ALL, min_probe_accuracy=0)
    evidence = unscannable("models:/signs/1", rules, "no such artifact; log it", clock()()).evidence
    assert evidence.obstacle == "no such artifact; log it"
    assert [item.name for item in evidence.detectors] == list(ALL_DETECTORS)
    decision = decide(rules, evidence)
    assert (decision.verdict, decision.reasons) == (Verdict.UNDECIDED, (evidence.obstacle,))


@pytest.mark.parametrize("error", [ShapeMismatch("wrong shape"), InputError("no ONNX file")])
def test_input_that_cannot_be_used_passes_through(error: InputError, tmp_path: Path) -> None:
    with pytest.raises(type(error), match=str(error)):
        scan(tmp_path, error=error)


def test_a_missing_model_is_never_opened(tmp_path: Path) -> None:
    opener = FakeOpener(regions)
    request = ScanRequest(tmp_path / "gone.onnx", "gone", tiny_policy(), probe_set(), 0)
    with pytest.raises(InputError, match=r"gone\.onnx: there is no such file"):
        Scan(opener, clock())(request)
    assert opener.requests == []


@pytest.mark.parametrize("error", [ScanError("it cannot be asked"), ModelProcessError("it died")])
def test_a_model_that_cannot_be_opened_is_an_obstacle(error: ScanError, tmp_path: Path) -> None:
    rules = tiny_policy(ADMITS_ALL)
    output = scan(tmp_path, rules=rules, error=error)
    evidence = output.evidence
    assert evidence.obstacle == str(error)
    assert evidence.probes is None
    assert evidence.model.files == {".": evidence.model.digest}
    assert evidence.model.digest == model_digest(tmp_path / "signs.onnx")
    assert evidence.finished_at > evidence.started_at
    assert decide(rules, evidence).verdict is Verdict.UNDECIDED


def test_a_ledger_is_not_filled_with_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at the files refuses them for that, and only then they have been hashed."""
    monkeypatch.setattr(pipeline, "MOST_NAMES", 0)
    evidence = scan(tmp_path, error=ScanError("its names are too long")).evidence
    assert evidence.model.files == {}
    assert evidence.model.digest == model_digest(tmp_path / "signs.onnx")
    assert evidence.obstacle == "its names are too long"


def test_the_seed_is_that_of_the_calibration() -> None:
    assert default_seed(tiny_policy()) == 0
    assert default_seed(tiny_policy(calibrated(), kept=calibration(seed=42))) == 42


@pytest.mark.parametrize(("bound", "verdict"), [(-1.0, Verdict.PASSED), (50.0, Verdict.FAILED)])
def test_evidence_and_policy_make_the_verdict(
    bound: float, verdict: Verdict, tmp_path: Path
) -> None:
    rules = tiny_policy([fixed(bound)])
    assert decide(rules, scan(tmp_path, rules=rules).evidence).verdict is verdict


@pytest.mark.parametrize(("bound", "verdict"), [(1.0, Verdict.PASSED), (-0.1, Verdict.FAILED)])
def test_a_policy_on_horizons_is_settled_by_them_and_judges(
    bound: float, verdict: Verdict, tmp_path: Path
) -> None:
    thresholds = [fixed(bound, "above", "horizon_agreement.valid")]
    rules = tiny_policy(thresholds, model_xray={"planes": 6, "least_planes": 2})
    evidence = scan(tmp_path, rules=rules).evidence
    found = xray_of(evidence).statistics
    assert found["planes_drawn"] == {"unclipped": 2, "valid": 2}
    assert len(found["per_plane"]["horizon_agreement"]["valid"]) == 6
    assert decide(rules, evidence).verdict is verdict


def test_a_policy_that_judges_areas_too_stops_where_both_are_settled(tmp_path: Path) -> None:
    thresholds = [
        fixed(1.0, "above", "horizon_agreement.valid"),
        fixed(0.0, "below", "ats.valid"),
    ]
    rules = tiny_policy(thresholds, model_xray={"planes": 12, "least_planes": 2})
    evidence = scan(tmp_path, rules=rules).evidence
    assert 2 < xray_of(evidence).statistics["planes_drawn"]["valid"] <= 12
    decision = decide(rules, evidence)
    assert decision.verdict is Verdict.PASSED
