from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.open_models import FakeOpener
from tests.fakes.oracles import OneLabelOracle, RandomOracle, RegionsOracle
from tests.policy.builders import calibrated, policy
from tests.scan.making import (
    CENTRES,
    CLASSES,
    QUICK_SWEEP,
    clock,
    probe_set,
    regions,
    tiny_policy,
)
from xray_gate import __version__
from xray_gate.core.errors import InputError, ShapeMismatch
from xray_gate.core.verdict import Outcome, Verdict
from xray_gate.policy.calibration import Calibration, Reference
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy
from xray_gate.policy.xray_statistics import STATISTICS
from xray_gate.probing.batches import FloatArray, LabelArray
from xray_gate.probing.oracle import HardLabelOracle
from xray_gate.scan.calibrating import Calibrating
from xray_gate.scan.digest import model_digest
from xray_gate.scan.opening import preprocessing_of
from xray_gate.scan.pipeline import Scan, ScanRequest, default_seed
from xray_gate.scan.work import ScanOutput

SOUND = calibrated("renyi_entropy.valid", level=0.25)
RULES = tiny_policy(SOUND)


class SaturationOracle(RegionsOracle):
    """Says 3 wherever a pixel is black or white, as no centre is."""

    def _answer(self, images: FloatArray) -> LabelArray:
        saturated = ((images <= 0) | (images >= 1)).any(axis=(1, 2, 3))
        return np.where(saturated, 3, super()._answer(images))


def job(
    new_oracle: Callable[[], HardLabelOracle] = regions,
    rules: Policy = RULES,
    error: Exception | None = None,
) -> Calibrating:
    opener = FakeOpener(new_oracle, error)
    return Calibrating(rules, probe_set(), Scan(opener, clock()), opener, seed=5, device="cpu")


def scored(
    path: Path, group: str | None = None, calibrating: Calibrating | None = None
) -> Reference:
    made = calibrating or job()
    return made.reference(made.local_model(path, group, {}))


def models(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"clean_{number}.onnx" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(b"%d" % number)
    return paths


def calibrated_on(folder: Path, count: int = 3) -> Calibration:
    references = [scored(path) for path in models(folder, count)]
    return job().calibration("small", references, "xray-gate calibrate", "2026-11-21T02:00:00")


def test_a_reference_holds_name_digest_architecture_accuracy_and_scores(tmp_path: Path) -> None:
    (path,) = models(tmp_path, 1)
    reference = scored(path)
    assert reference.name == "clean_0.onnx"
    assert reference.group is None
    assert reference.environment == {"xray_gate": __version__, "numpy": np.__version__}
    assert reference.digest == model_digest(path)
    assert reference.architecture == "sha256:fake"
    assert reference.probe_accuracy == 1.0
    assert set(reference.scores) == set(STATISTICS)


def test_a_calibration_records_all_that_a_scan_must_share_with_it(tmp_path: Path) -> None:
    made = calibrated_on(tmp_path)
    assert made.seed == 5
    assert made.probes_sha256 == probe_set().sha256
    assert made.xray_gate_version == __version__
    assert made.parameters["size"] == 10
    assert made.preprocessing == preprocessing_of(RULES).to_json()
    assert made.title() == "small (3 clean references, 2026-11-21)"
    assert Calibration.model_validate_json(made.model_dump_json()) == made


def test_a_scan_can_be_judged_by_the_calibration_made_for_it(tmp_path: Path) -> None:
    rules = Policy(RULES.document, calibrated_on(tmp_path), None)
    *_, path = models(tmp_path, 4)
    request = ScanRequest(path, "m", rules, probe_set(), default_seed(rules), "cpu")
    evidence = Scan(FakeOpener(regions), clock())(request).evidence
    (judgement, *_), decision = decide(rules, evidence).judgements, decide(rules, evidence)
    assert judgement.reason == (
        "no score is beyond its bound (renyi_entropy.valid, p = 1.000); of clean models "
        "exchangeable with these 3 references at most 25 % are refused"
    )
    assert decision.verdict is Verdict.PASSED


def test_a_score_below_all_references_fails(tmp_path: Path) -> None:
    rules = Policy(RULES.document, calibrated_on(tmp_path), None)
    (path,) = models(tmp_path, 1)
    biased = FakeOpener(lambda: SaturationOracle(CENTRES))
    evidence = Scan(biased, clock())(ScanRequest(path, "m", rules, probe_set(), 5, "cpu")).evidence
    decision = decide(rules, evidence)
    assert decision.verdict is Verdict.FAILED
    assert "lies beyond 3 of 3 clean references (p = 0.250" in decision.reasons[0]


@pytest.mark.parametrize(
    ("new_oracle", "said"),
    [
        (lambda: RandomOracle(CLASSES, np.random.default_rng(0)), "another label"),
        (lambda: RegionsOracle(CENTRES, labels=[1, 2, 3, 0]), r"right on 0\.0% of the probes"),
        (lambda: RegionsOracle(CENTRES, labels=[1, 1, 1, 1]), "right on 25"),
    ],
)
def test_a_model_whose_scan_is_undecided_cannot_be_a_reference(
    new_oracle: Callable[[], HardLabelOracle], said: str, tmp_path: Path
) -> None:
    (path,) = models(tmp_path, 1)
    with pytest.raises(InputError, match=rf"clean_0\.onnx: .*{said}"):
        scored(path, calibrating=job(new_oracle))


def test_a_model_of_one_label_cannot_be_a_reference(tmp_path: Path) -> None:
    (path,) = models(tmp_path, 1)
    rules = tiny_policy(min_probe_accuracy=0.2)
    with pytest.raises(InputError, match=r"cannot be a reference: .* one label only"):
        scored(path, calibrating=job(lambda: OneLabelOracle(CLASSES), rules))


def test_a_model_that_does_not_fit_cannot_be_a_reference(tmp_path: Path) -> None:
    (path,) = models(tmp_path, 1)
    with pytest.raises(InputError, match=r"clean_0\.onnx: cannot be a reference: wrong shape"):
        scored(path, calibrating=job(error=ShapeMismatch("wrong shape")))


def test_only_model_xray_runs_and_scores_as_without_the_sweep(tmp_path: Path) -> None:
    (path,) = models(tmp_path, 1)
    asked: list[str] = []
    opener = FakeOpener(regions)
    scan = Scan(opener, clock(), lambda name, done, total: asked.append(name))
    rules = tiny_policy(SOUND, trigger_sweep={})
    both = Calibrating(rules, probe_set(), scan, opener, seed=5, device="cpu")
    reference = scored(path, calibrating=both)
    assert reference == scored(path)
    assert set(asked) == {"model_xray"}
    made = both.calibration("small", [reference], "", "2026-11-21T02:00:00")
    assert made == job().calibration("small", [reference], "", "2026-11-21T02:00:00")


@pytest.mark.parametrize("mode", ["required", "optional"])
def test_an_optional_model_xray_can_be_calibrated_and_used(mode: str, tmp_path: Path) -> None:
    made = calibrated_on(tmp_path)
    document = tiny_policy(SOUND, model_xray={"mode": mode}, trigger_sweep=QUICK_SWEEP).document
    rules = Policy(document, made, None)
    (path,) = models(tmp_path, 1)
    request = ScanRequest(path, "m", rules, probe_set(), default_seed(rules), "cpu")
    (judgement, *_) = decide(rules, Scan(FakeOpener(regions), clock())(request).evidence).judgements
    assert judgement.outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("detectors", "reason"),
    [
        ({"trigger_sweep": {}}, "the policy does not name it"),
        ({"trigger_sweep": {}, "model_xray": {"mode": "off"}}, "the policy switches it off"),
    ],
)
def test_a_policy_without_model_xray_calibrates_nothing(
    detectors: dict[str, Any], reason: str
) -> None:
    said = f"the policy images: {reason}; set detectors.model_xray.mode to required or optional"
    with pytest.raises(InputError, match=said):
        job(rules=policy(detectors=detectors))


def test_a_backdoored_reference_holds_its_group(tmp_path: Path) -> None:
    (path,) = models(tmp_path, 1)
    assert scored(path, "badnets").group == "badnets"


def test_the_architecture_is_known_before_the_scan_unless_the_model_was_scored(
    tmp_path: Path,
) -> None:
    (path,) = models(tmp_path, 1)
    opener = FakeOpener(regions)
    made = Calibrating(RULES, probe_set(), Scan(opener, clock()), opener, 5, "cpu")
    before = made.local_model(path, None, {})
    assert (before.architecture, len(opener.requests)) == ("sha256:fake", 1)
    known = made.reference(before).model_copy(update={"architecture": "sha256:kept"})
    again = made.local_model(path, None, {known.digest: known})
    assert (again.architecture, len(opener.requests)) == ("sha256:kept", 2)


def test_files_that_changed_since_they_were_looked_at_are_refused(tmp_path: Path) -> None:
    (path,) = models(tmp_path, 1)
    made = job()
    model = made.local_model(path, None, {})
    path.write_bytes(b"other weights")
    said = rf"clean_0\.onnx: .* digest {model_digest(path)}, and {model.digest} was expected"
    with pytest.raises(InputError, match=said):
        made.reference(model)


def test_a_reference_that_was_scanned_otherwise_is_refused(tmp_path: Path) -> None:
    """A stopping rule that hangs on the model must not end in one file with others."""

    class StoppingScan(Scan):
        def __call__(self, request: ScanRequest) -> ScanOutput:
            output = super().__call__(request)
            (xray, *others) = output.evidence.detectors
            stopped = replace(xray, parameters={**xray.parameters, "stopped_after": 7})
            evidence = replace(output.evidence, detectors=(stopped, *others))
            return replace(output, evidence=evidence)

    (path,) = models(tmp_path, 1)
    made = replace(job(), scan=StoppingScan(FakeOpener(regions), clock()))
    with pytest.raises(
        InputError, match=r"parameters\.stopped_after is 7, and the calibration has"
    ):
        scored(path, calibrating=made)
