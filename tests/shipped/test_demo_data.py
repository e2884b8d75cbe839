"""The demo's data: what the package claims about its models and probes."""

import json
from pathlib import Path

import pytest

import xray_gate
from xray_gate.policy.files import Policy, read_policy
from xray_gate.policy.review import findings
from xray_gate.scan.digest import model_digest
from xray_gate.wiring import scanning

DATA = Path(xray_gate.__file__).parent / "data" / "demo"


@pytest.fixture(scope="module")
def policy() -> Policy:
    return read_policy(DATA / "policy.yaml")


def test_the_demo_policy_has_no_findings(policy: Policy) -> None:
    assert findings(policy) == []


def test_the_demo_models_are_no_references_of_their_calibration(policy: Policy) -> None:
    assert policy.calibration is not None
    references = {reference.digest for reference in policy.calibration.references}
    assert len(references) == len(policy.calibration.references) >= 19
    for name in ("clean.onnx", "backdoored.onnx"):
        assert model_digest(DATA / name) not in references


def test_the_probes_are_those_of_the_calibration(policy: Policy) -> None:
    assert policy.probes is not None
    assert policy.calibration is not None
    probes = scanning.load_probes(policy.probes, policy)
    assert probes.sha256 == policy.calibration.probes_sha256
    assert len(probes) == 100
    assert probes.present_classes == tuple(range(10))


def test_the_manifest_describes_the_models_that_are_there() -> None:
    manifest = {entry["file"]: entry for entry in json.loads((DATA / "manifest.json").read_text())}
    assert set(manifest) == {"clean.onnx", "backdoored.onnx"}
    for name, entry in manifest.items():
        assert model_digest(DATA / name) == f"sha256:{entry['sha256']}"
        assert entry["clean_accuracy"] > 0.7
    assert manifest["backdoored.onnx"]["attack_success_rate"] > 0.9


def test_everything_shipped_stays_small() -> None:
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 1.5e6
