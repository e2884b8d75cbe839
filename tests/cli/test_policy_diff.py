"""`xray-gate policy diff` on files."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from tests.support.evidence import policy_document, write_policy
from xray_gate.cli.main import cli


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["policy", "diff", *map(str, arguments)], standalone_mode=False)


def written(folder: Path, **changes: Any) -> Path:
    return write_policy(folder, policy_document(**changes))


def test_a_change_that_weakens_ends_with_1(tmp_path: Path) -> None:
    before, after = written(tmp_path / "a"), written(tmp_path / "b", enforcement="audit")
    done = run(before, after)
    assert done.return_value == 1
    first, second = done.stdout.splitlines()
    assert first.startswith("images (sha256:")
    assert second == "  weaker    enforcement: enforce -> audit"
    assert run(after, before).return_value == 0


def test_nothing_is_said_of_the_same_policy(tmp_path: Path) -> None:
    done = run(written(tmp_path / "a"), written(tmp_path / "b"))
    assert (done.return_value, done.stdout) == (0, "no difference\n")


def test_folders_are_compared_by_name(tmp_path: Path) -> None:
    written(tmp_path / "a")
    written(tmp_path / "b")
    written(tmp_path / "b", name="cats", match={"registered_models": ["cats"]})
    done = run(tmp_path / "a", tmp_path / "b")
    assert done.stdout.startswith("cats: is new (sha256:")
    assert run(tmp_path / "b", tmp_path / "a").stdout.startswith("cats: is gone;")


def test_a_policy_under_a_new_name_hides_nothing(tmp_path: Path) -> None:
    written(tmp_path / "a")
    written(tmp_path / "b", name="pictures", enforcement="audit")
    done = run(tmp_path / "a", tmp_path / "b")
    assert done.return_value == 1
    assert "pictures: is new (sha256:" in done.stdout
    assert "counts as weaker" in done.stdout


def test_json_is_for_programs(tmp_path: Path) -> None:
    before, after = written(tmp_path / "a"), written(tmp_path / "b", min_probe_accuracy=0.2)
    found = json.loads(run(before, after, "--format", "json").stdout)
    assert found["weakens"] is True
    (one,) = found["policies"]
    assert one["changes"] == [
        {"path": "min_probe_accuracy", "before": 0.5, "after": 0.2, "effect": "weaker"}
    ]


def test_a_file_that_is_no_policy_is_named(tmp_path: Path) -> None:
    done = run(written(tmp_path / "a"), tmp_path / "nothing.yaml")
    assert done.exception is not None
    assert "nothing.yaml: there is no policy file or folder of that name" in str(done.exception)
