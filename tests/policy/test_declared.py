"""Declared results of policies."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tests.support.evidence import backdoored, clean, evidence_of, policy_document, write_policy
from xray_gate.cli.main import cli
from xray_gate.core.errors import PolicyError
from xray_gate.policy.declared import read_evidence, run_cases
from xray_gate.policy.files import read_policies


def case(expect: Any, evidence: str = "clean.json", name: str = "signs") -> dict[str, Any]:
    return {"name": "a case", "registered_model": name, "evidence": evidence, "expect": expect}


def declare(folder: Path, *cases: dict[str, Any], name: str = "images.test.yaml") -> None:
    head = {"apiVersion": "xray-gate/v1", "kind": "PolicyTest"}
    (folder / name).write_text(yaml.safe_dump({**head, "cases": list(cases)}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A policy and evidence of three scans."""
    write_policy(tmp_path / "policies", policy_document())
    for name, evidence in {
        "clean": clean(),
        "near": evidence_of(1.2),
        "backdoored": backdoored(),
    }.items():
        text = json.dumps(evidence.to_json())
        (tmp_path / "policies" / f"{name}.json").write_text(text)
    return tmp_path / "policies"


def differences(folder: Path) -> list[tuple[str, ...]]:
    return [result.differences for result in run_cases(folder)]


def test_results_that_hold_have_no_differences(folder: Path) -> None:
    declare(
        folder,
        case({"verdict": "passed", "admitted": True, "policy": "images"}),
        case({"verdict": "failed", "admitted": False}, "backdoored.json"),
        case({"reason": "suspected target label 2"}, "backdoored.json"),
        case({"policy": "none", "verdict": "undecided", "admitted": False}, name="cats"),
    )
    assert differences(folder) == [()] * 4


@pytest.mark.parametrize(
    ("expect", "difference"),
    [
        ({"verdict": "failed"}, "verdict passed, expected failed (model_xray: no score is beyond"),
        ({"admitted": False}, "admitted, expected refused"),
        ({"policy": "other"}, "policy images, expected other"),
        ({"reason": "the moon"}, "no reason has 'the moon': model_xray: no score is beyond"),
    ],
)
def test_what_differs_is_told(folder: Path, expect: dict[str, Any], difference: str) -> None:
    declare(folder, case(expect))
    ((text,),) = differences(folder)
    assert text.startswith(difference)


def test_a_changed_threshold_breaks_the_result_that_it_changes(folder: Path) -> None:
    declare(folder, case({"verdict": "passed"}), case({"verdict": "passed"}, "near.json"))
    assert differences(folder) == [(), ()]
    bound = {"statistic": "renyi_entropy.unclipped", "bound": 1.5, "source": "tighter"}
    write_policy(folder, policy_document(detectors={"model_xray": {"thresholds": [bound]}}))
    first, second = differences(folder)
    assert first == ()
    assert second[0].startswith("verdict failed, expected passed")


def test_a_file_of_results_is_no_policy(folder: Path) -> None:
    declare(folder, case({"verdict": "passed"}))
    assert [policy.name for policy in read_policies(folder).policies] == ["images"]
    assert len(run_cases(folder / "images.yaml")) == 1


def test_a_policys_own_file_is_judged_by_its_own_results(folder: Path) -> None:
    declare(folder, case({"verdict": "passed"}))
    declare(folder, case({"policy": "images"}), name="other.test.yaml")
    assert len(run_cases(folder / "images.yaml")) == 1
    other = write_policy(folder, policy_document("signs"))
    with pytest.raises(PolicyError, match=r"signs.yaml: there are no declared .* signs.test.yaml"):
        run_cases(other)


@pytest.mark.parametrize("whole_folder", [True, False])
def test_a_policy_for_scans_only_judges_its_own_results(folder: Path, whole_folder: bool) -> None:
    path = write_policy(folder, policy_document("scans", match=None))
    expected = {"policy": "scans", "verdict": "passed", "admitted": True}
    declare(folder, case(expected, name="whatever"), name="scans.test.yaml")
    declare(folder, case({"policy": "images"}))
    results = run_cases(folder if whole_folder else path)
    assert [result.differences for result in results] == [()] * (2 if whole_folder else 1)


def test_without_cases_nothing_holds(folder: Path) -> None:
    with pytest.raises(PolicyError, match="there are no declared results"):
        run_cases(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: PolicyTest\n", "x.test.yaml:1: apiVersion: is missing; add it"),
        ("apiVersion: xray-gate/v1\nkind: PolicyTest\ncases: []\n", "x.test.yaml:3: cases: "),
        (
            "apiVersion: xray-gate/v1\nkind: PolicyTest\ncases:\n- name: a\n  modle: b\n",
            "x.test.yaml:5: cases.0.modle: is not a setting",
        ),
        (
            "apiVersion: xray-gate/v1\nkind: PolicyTest\ncases:\n"
            "- {name: a, registered_model: b, evidence: c, expect: {}}\n",
            "expects nothing; name verdict, admitted, reason or policy",
        ),
        ("- 1\n", "a file of declared results is a mapping that begins with"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_key(folder: Path, text: str, message: str) -> None:
    (folder / "x.test.yaml").write_text(text)
    with pytest.raises(PolicyError) as raised:
        run_cases(folder)
    assert message in str(raised.value)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"scan_id": 1}', "\xff"])
def test_what_is_no_evidence_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "evidence.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(PolicyError, match=r"evidence\.json: is no evidence of a scan"):
        read_evidence(path)
    with pytest.raises(PolicyError, match="there is no such file"):
        read_evidence(tmp_path / "nothing.json")


def test_evidence_that_never_ends_is_not_read(tmp_path: Path) -> None:
    """A pull request names the file: it may be a pipe, a link to a device, or very large."""
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(64 * 2**20 + 1)
    for name in ("pipe", "zero"):
        with pytest.raises(PolicyError, match=f"{name}.json: there is no such file"):
            read_evidence(tmp_path / f"{name}.json")
    with pytest.raises(PolicyError, match="is larger than 64 MiB"):
        read_evidence(tmp_path / "large.json")


def test_the_command_ends_by_what_it_found(folder: Path) -> None:
    def run() -> Any:
        return CliRunner().invoke(cli, ["policy", "test", str(folder)], standalone_mode=False)

    declare(folder, case({"verdict": "passed"}))
    good = run()
    assert (good.return_value, good.stdout, good.stderr) == (0, "", "1 passed, 0 failed\n")
    declare(folder, case({"verdict": "failed"}), name="more.test.yaml")
    bad = run()
    assert (bad.return_value, bad.stderr) == (1, "1 passed, 1 failed\n")
    assert "more.test.yaml: a case: verdict passed, expected failed" in bad.stdout
