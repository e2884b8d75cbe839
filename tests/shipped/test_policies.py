"""The shipped policies say what they claim to say."""

import re
from pathlib import Path

import pytest

from xray_gate import wiring
from xray_gate.core.verdict import Enforcement
from xray_gate.policy.document import CalibratedBounds
from xray_gate.policy.files import read_policy
from xray_gate.policy.review import findings

POLICIES = Path(__file__).parents[2] / "policies"


def test_the_folder_holds_exactly_the_policies_that_its_readme_names() -> None:
    named = set(re.findall(r"^- `(\S+\.yaml)`", (POLICIES / "README.md").read_text(), re.M))
    assert named == {path.name for path in POLICIES.glob("*.yaml")}


def test_the_readme_names_every_top_level_setting() -> None:
    text = (POLICIES / "README.md").read_text()
    policy = wiring.default_policy().document
    settings = set(type(policy).model_fields) - {"api_version", "kind", "name", "description"}
    assert [name for name in sorted(settings) if f"`{name}" not in text] == []


def test_the_starter_blocks_nothing_and_its_review_says_so() -> None:
    policy = read_policy(POLICIES / "starter.yaml")
    assert policy.document.enforcement is Enforcement.AUDIT
    text = "\n".join(findings(policy))
    assert "enforcement is audit" in text
    assert "unsafe_allow_unscanned_reads" in text
    assert "no thresholds" in text


def test_the_calibrated_policy_blocks_by_its_calibration() -> None:
    policy = read_policy(POLICIES / "calibrated.yaml", with_calibration=False)
    assert policy.document.enforcement is Enforcement.ENFORCE
    assert isinstance(policy.document.detectors.model_xray.thresholds, CalibratedBounds)
    assert policy.matches("IMAGE-classifier")
    assert not policy.matches("text-classifier")


def test_the_default_policy_can_pass_nothing() -> None:
    policy = wiring.default_policy()
    assert policy.document.detectors.model_xray.thresholds is None
    assert "nothing can pass" in "\n".join(findings(policy))


@pytest.mark.parametrize("setting", ["eta", "size", "planes", "alpha", "cap", "pixel_ranges"])
def test_the_default_policy_keeps_the_papers_parameters(setting: str) -> None:
    paper = {
        "eta": 5.0,
        "size": 100,
        "planes": 20,
        "alpha": 10.0,
        "cap": 0.5,
        "pixel_ranges": ["unclipped", "valid"],
    }
    assert getattr(wiring.default_policy().document.detectors.model_xray, setting) == paper[setting]
