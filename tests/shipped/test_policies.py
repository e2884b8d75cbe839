"""The shipped policies say what they claim to say."""

import re
from pathlib import Path

import pytest

import xray_gate
from xray_gate.core.verdict import Enforcement, Verdict
from xray_gate.policy.coverage import coverage_findings
from xray_gate.policy.declared import DeclaredResults, read_evidence, run_cases
from xray_gate.policy.detector_specs import TriggerSweepSpec
from xray_gate.policy.files import calibrated_bounds, policy_files, read_policies, read_policy
from xray_gate.policy.review import findings
from xray_gate.policy.text import parse_as
from xray_gate.policy.xray_thresholds import CalibratedBounds
from xray_gate.wiring import scanning

POLICIES = Path(__file__).parents[2] / "policies"
SHIPPED = policy_files(POLICIES)
DATA = Path(xray_gate.__file__).parent / "data"


def test_the_folder_holds_exactly_the_policies_that_its_readme_names() -> None:
    named = set(re.findall(r"^- `(\S+\.yaml)`", (POLICIES / "README.md").read_text(), re.M))
    assert named == {path.name for path in SHIPPED}


def test_the_readme_names_every_top_level_setting() -> None:
    text = (POLICIES / "README.md").read_text()
    policy = scanning.default_policy().document
    settings = set(type(policy).model_fields) - {"api_version", "kind", "name", "description"}
    assert [name for name in sorted(settings) if f"`{name}" not in text] == []


def test_the_starter_blocks_nothing_and_its_review_says_so() -> None:
    policy = read_policy(POLICIES / "starter.yaml")
    assert policy.document.enforcement is Enforcement.AUDIT
    text = "\n".join(findings(policy))
    assert "enforcement is audit" in text
    assert "unsafe_allow_unscanned_reads" in text
    assert "thresholds" not in text


def test_the_strict_policy_waves_nothing_through() -> None:
    policy = read_policy(POLICIES / "strict.yaml")
    assert findings(policy) == []
    assert policy.document.enforcement is Enforcement.ENFORCE
    assert isinstance(calibrated_bounds(policy.document), CalibratedBounds)
    assert policy.matches("IMAGE-classifier")
    assert not policy.matches("text-classifier")


def test_the_strict_policys_probes_are_those_of_its_calibration() -> None:
    policy = read_policy(POLICIES / "strict.yaml")
    assert policy.calibration is not None
    assert policy.probes is not None
    probes = scanning.load_probes(policy.probes, policy)
    assert policy.probes_digest == probes.sha256 == policy.calibration.probes_sha256


def test_a_registry_never_uses_the_policy_for_pull_requests() -> None:
    policy = read_policy(POLICIES / "pull-request.yaml")
    assert not policy.matches("image-classifier")
    mode, match = findings(policy)
    assert mode.startswith("enforcement at pre_commit is warn")
    assert match.startswith("there is no `match`, so a registry never uses this policy")


def test_the_whole_folder_is_one_that_a_registry_could_be_given() -> None:
    policies = read_policies(POLICIES)
    assert coverage_findings(policies) == []
    for name, expected in {"image-classifier": "strict", "thumbnails": "starter"}.items():
        policy = policies.match(name, {}, None)
        assert policy is not None
        assert policy.name == expected
    assert [result for result in run_cases(POLICIES) if result.differences] == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_policy_declares_results_and_keeps_them(path: Path) -> None:
    results = run_cases(path)
    assert {result.file.name for result in results} == {f"{path.stem}.test.yaml"}
    assert [result for result in results if result.differences] == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_declared_results_have_a_pass_and_what_is_no_pass(path: Path) -> None:
    cases = parse_as(DeclaredResults, path.with_suffix(".test.yaml"), "file").cases
    verdicts = {case.expect.verdict for case in cases}
    assert verdicts >= {Verdict.PASSED, Verdict.FAILED, Verdict.UNDECIDED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_comments_say_why(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert sum(line.lstrip().startswith("#") for line in lines) >= 8


def test_evidence_of_the_results_names_no_place_of_a_machine() -> None:
    files = list((POLICIES / "evidence").iterdir())
    assert len(files) == 4
    for file in files:
        assert not Path(read_evidence(file).model.ref).is_absolute()


@pytest.mark.parametrize("path", [*SHIPPED, *DATA.rglob("*.yaml")], ids=lambda path: path.name)
def test_the_sweep_decides_and_model_xray_can_only_block(path: Path) -> None:
    detectors = read_policy(path, with_calibration=False).document.detectors
    modes = {name: spec.mode for name, spec in detectors.named().items()}
    assert modes.pop("model_xray") in ("optional", "off")
    assert modes == {"trigger_sweep": "required"}
    sweep = detectors.named()["trigger_sweep"]
    assert sweep == TriggerSweepSpec(), "shipped policies sweep with the settings that were tested"


@pytest.mark.parametrize("path", [*SHIPPED, *DATA.rglob("*.yaml")], ids=lambda path: path.name)
def test_thresholds_come_from_clean_references_and_never_from_the_papers_numbers(
    path: Path,
) -> None:
    policy = read_policy(path, with_calibration=False)
    xray = policy.document.detectors.model_xray
    assert xray is not None
    if xray.thresholds is not None:
        assert isinstance(xray.thresholds, CalibratedBounds)
        assert xray.thresholds.method == "conformal"
    assert not any("numbers without a calibration" in text for text in findings(policy))


def test_the_default_policy_lacks_only_what_a_registry_needs() -> None:
    policy = scanning.default_policy()
    assert calibrated_bounds(policy.document) is None
    assert [text.split(",")[0] for text in findings(policy)] == [
        "there is no `match`",
        "there are no `probes`",
    ]


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
    xray = scanning.default_policy().document.detectors.named()["model_xray"]
    assert xray.settings()[setting] == paper[setting]
