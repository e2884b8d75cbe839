"""`xray-gate hook policy` in a real git repository."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Command
from tests.cli.making import write_probes
from tests.policy.builders import calibrated, calibration, document, write
from tests.support.evidence import backdoored, clean, day, policy_document, write_exception

HEAD = {"apiVersion": "xray-gate/v1", "kind": "PolicyTest"}


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True)


def declare(path: Path, evidence: str, verdict: str) -> None:
    expect = {"verdict": verdict}
    case = {"name": "one", "registered_model": "signs", "evidence": evidence, "expect": expect}
    path.write_text(yaml.safe_dump({**HEAD, "cases": [case]}))


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy with a calibration, and one with declared results, each in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    Path("vision").mkdir()
    write_probes(Path("vision/probes.npz"))
    Path("vision/calibration.json").write_text(calibration().model_dump_json())
    sound = document(calibrated(), probes="probes.npz", trigger_sweep={})
    write(Path("vision/images.yaml"), sound)
    Path("signs/evidence").mkdir(parents=True)
    write(Path("signs/signs.yaml"), policy_document("signs"))
    write_evidence("signs/evidence/one.json", clean())
    declare(Path("signs/signs.test.yaml"), "evidence/one.json", "passed")
    Path("other.yaml").write_text("a: 1\n")
    git("add", "-A")
    return tmp_path


def write_evidence(path: str, evidence: Any) -> None:
    Path(path).write_text(json.dumps(evidence.to_json()))


def test_a_sound_policy_passes(command: Command) -> None:
    ended = command("hook", "policy", "--", "vision/images.yaml", "other.yaml")
    assert (ended.code, ended.out) == (0, "")
    assert "no findings" in ended.err


def test_a_broken_policy_is_named_with_its_line(command: Command) -> None:
    with Path("vision/images.yaml").open("a") as file:
        file.write("enforcment: audit\n")
    ended = command("hook", "policy", "--", "vision/images.yaml")
    assert ended.code == 1
    assert ended.out.startswith("vision/images.yaml:")
    assert "enforcment: is not a setting; did you mean `enforcement`?" in ended.out


def test_a_changed_calibration_belongs_to_its_policy(command: Command) -> None:
    assert command("hook", "policy", "--", "vision/calibration.json").code == 0
    few = calibration(scores=(1.0, 2.0))
    Path("vision/calibration.json").write_text(few.model_dump_json())
    ended = command("hook", "policy", "--", "vision/calibration.json")
    assert ended.code == 1
    assert "has 2 clean references" in ended.out
    Path("vision/calibration.json").write_text("{")
    assert command("hook", "policy", "--", "vision/calibration.json").code == 1


def test_declared_results_are_judged(command: Command) -> None:
    assert command("hook", "policy", "--findings", "tell", "--", "signs/signs.yaml").code == 0
    declare(Path("signs/signs.test.yaml"), "evidence/one.json", "failed")
    ended = command("hook", "policy", "--findings", "tell", "--", "signs/signs.test.yaml")
    assert ended.code == 1
    assert "signs.test.yaml: one: verdict passed, expected failed" in ended.out


def test_changed_evidence_belongs_to_the_results_that_name_it(command: Command) -> None:
    write_evidence("signs/evidence/one.json", backdoored())
    changed = "signs/evidence/one.json"
    ended = command("hook", "policy", "--findings", "tell", "--", changed)
    assert ended.code == 1
    assert "verdict failed, expected passed" in ended.out


def test_findings_block_unless_they_are_only_told(command: Command) -> None:
    path = Path("signs/signs.yaml")
    write(path, policy_document("signs", enforcement="audit"))
    blocked = command("hook", "policy", "--", path)
    assert blocked.code == 1
    assert "enforcement is audit" in blocked.out
    told = command("hook", "policy", "--findings", "tell", "--", path)
    assert (told.code, told.out) == (0, blocked.out)


def test_a_folder_of_policies_is_checked_as_a_registry_reads_it(command: Command) -> None:
    write(Path("signs/twin.yaml"), policy_document("signs"))
    ended = command("hook", "policy", "--findings", "tell", "--", "signs/twin.yaml")
    assert ended.code == 1
    assert "two policies are named 'signs'; rename one" in ended.out


def test_policies_among_other_files_are_checked_one_by_one(command: Command) -> None:
    Path("signs/compose.yaml").write_text("services: {}\n")
    arguments = ("hook", "policy", "--findings", "tell", "--")
    assert command(*arguments, "signs/signs.test.yaml").code == 0
    declare(Path("signs/signs.test.yaml"), "evidence/gone.json", "failed")
    ended = command(*arguments, "signs/signs.test.yaml")
    assert ended.code == 1
    assert "evidence/gone.json: there is no such file" in ended.out


@pytest.mark.parametrize("changed", ["other.yaml", "other.json", "gone.yaml"])
def test_other_files_concern_no_policy(command: Command, changed: str) -> None:
    Path("other.json").write_text("{}")
    assert command("hook", "policy", "--", changed) == command("hook", "policy")


def test_outside_a_repository_parts_cannot_be_told(
    command: Command, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("plain")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))
    monkeypatch.setenv("GIT_DIR", str(folder / "none"))
    Path("calibration.json").write_text("{}")
    ended = command("hook", "policy", "--", "calibration.json")
    assert ended.code == 2
    assert "run the hook in a repository" in ended.err


@pytest.mark.parametrize("name", ["-v.yaml", "--findings=tell.yaml", "a b.yaml", "a\nb.yaml"])
def test_names_are_names(command: Command, name: str) -> None:
    Path(name).write_text("apiVersion: xray-gate/v1\nkind: Policy\n")
    ended = command("hook", "policy", "--", name)
    assert ended.code == 1
    assert "name: is missing; add it" in ended.out


def write_excuse(folder: str, **changes: Any) -> str:
    return str(write_exception(Path(folder), **{"policy": "signs", **changes}))


def test_an_exception_is_checked_with_the_policies_of_its_folder(command: Command) -> None:
    write(Path("signs/signs.yaml"), policy_document("signs", exceptions={"most_days": 30}))
    ended = command("hook", "policy", "--findings", "tell", "--", write_excuse("signs"))
    assert ended.code == 0
    assert "exception known-attractor: admits sha256:" in ended.out
    ended = command("hook", "policy", "--", write_excuse("signs", expires=day(99)))
    assert ended.code == 1
    assert "it lasts" in ended.out


def test_among_other_yaml_it_is_checked_with_each_policy_there(command: Command) -> None:
    write(Path("signs/signs.yaml"), policy_document("signs"))
    Path("signs/settings.yaml").write_text("a: 1\n")
    ended = command("hook", "policy", "--", write_excuse("signs"))
    assert ended.code == 1
    assert "signs allows no exceptions" in ended.out
    assert "settings.yaml" not in ended.out


def test_an_exception_without_a_policy_beside_it_blocks(command: Command) -> None:
    Path("empty").mkdir()
    ended = command("hook", "policy", "--", write_excuse("empty"))
    assert ended.code == 1
    assert "holds no policy" in ended.out
