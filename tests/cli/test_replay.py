"""`xray-gate policy replay` on a real database."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.support.evidence import backdoored, evidence_of, policy_document, write_policy
from tests.support.gate import Gate
from xray_gate.cli.main import cli
from xray_gate.cli.replaying import Replay, as_markdown
from xray_gate.core.errors import InputError
from xray_gate.core.verdict import Verdict
from xray_gate.policy.replay import Replayed, Standing


@pytest.fixture
def gate(sqlite_database: str, tmp_path: Path) -> Gate:
    """Three versions: one far from the bound of 1 bit, one near it (promoted), one beyond it."""
    found = Gate(sqlite_database, tmp_path / "policies")
    found.admitted()
    found.judged(evidence_of(1.2))
    found.judged(backdoored())
    found.store.set_registered_model_alias("signs", "champion", 2)
    return found


@pytest.fixture
def tighter(tmp_path: Path) -> Path:
    bound = {"statistic": "renyi_entropy.unclipped", "bound": 1.5, "source": "a tighter one"}
    changes: dict[str, Any] = {"detectors": {"model_xray": {"thresholds": [bound]}}}
    return write_policy(tmp_path / "changed", policy_document(**changes))


def run(gate: Gate, *arguments: str) -> Result:
    where = ["--registry-uri", f"xray-gate+{gate.uri}"]
    return CliRunner().invoke(
        cli, ["policy", "replay", *arguments, *where], standalone_mode=False, catch_exceptions=True
    )


def test_it_names_what_changes_and_what_is_in_production(gate: Gate, tighter: Path) -> None:
    done = run(gate, str(tighter))
    assert done.return_value == 0
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        "3 scans: 1 change, 1 of those that are promoted today would be refused.",
        "signs/2: passed, admitted -> failed, refused",
        "  policy  images",
    ]
    assert lines[3].startswith("  reason  model_xray: renyi_entropy.unclipped 1.2")
    assert lines[4:] == ["  is now  alias champion"]


def test_the_policy_in_force_changes_nothing(gate: Gate) -> None:
    done = run(gate, str(gate.folder))
    assert done.stdout == "3 scans. No version changes its verdict or its admission.\n"


def test_json_has_every_version(gate: Gate, tighter: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("signs/1,clean\nsigns/2,backdoored\nsigns/3,backdoored\n")
    found = json.loads(run(gate, str(tighter), "--labels", str(labels), "--format", "json").stdout)
    assert (found["scans"], found["changed"], found["promoted_and_refused"]) == (3, 1, 1)
    assert found["rates"]["before"]["refused_backdoored"] == {"hits": 1, "count": 2}
    assert found["rates"]["after"]["refused_backdoored"] == {"hits": 2, "count": 2}
    assert found["rates"]["after"]["refused_clean"] == {"hits": 0, "count": 1}
    second = found["versions"][1]
    assert second["before"] == {"verdict": "passed", "admitted": True}
    assert second["after"] == {"verdict": "failed", "admitted": False}
    assert second["promoted_and_refused"] == [["alias", "champion"]]


def test_the_step_from_audit_to_enforce_is_seen_before(gate: Gate, tmp_path: Path) -> None:
    path = write_policy(tmp_path / "trial", policy_document(enforcement="audit"))
    trial = json.loads(run(gate, str(path), "--format", "json").stdout)
    assert [v["after"]["admitted"] for v in trial["versions"]] == [True, True, True]
    step = json.loads(run(gate, str(path), "--as-enforced", "--format", "json").stdout)
    assert [v["after"]["admitted"] for v in step["versions"]] == [True, True, False]


def test_markdown_is_a_table_with_rates(gate: Gate, tighter: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("signs/1,clean\n")
    done = run(gate, str(tighter), "--labels", str(labels), "--format", "markdown")
    lines = done.stdout.splitlines()
    assert lines[0] == "### Replay of the changed policies"
    assert "| version | today | with this change | why | promoted today |" in lines
    (row,) = [line for line in lines if line.startswith("| signs/2 ")]
    assert row.count("|") == 6
    assert "alias champion" in row
    assert lines[-2] == "- clean ones refused: 0 of 1 (0%; 0% to 98%) -> 0 of 1 (0%; 0% to 98%)"


def test_a_name_cannot_break_out_of_the_table() -> None:
    passed, failed = Standing(Verdict.PASSED, True), Standing(Verdict.FAILED, False)
    hostile = "a|b\n# <img src=x> [x](http://y) @team `c`/1"
    row = Replayed(hostile, "sha256:ab", passed, failed, "images", ("because",))
    shown = as_markdown(Replay([row])).splitlines()
    (line,) = [one for one in shown if "because" in one]
    assert line.replace("\\|", "").count("|") == 6
    assert re.findall(r"(?<!\\)[<\[`#]", line) == []
    assert re.findall("@[a-z]", line) == []


def test_it_needs_a_registry(tighter: Path) -> None:
    done = CliRunner().invoke(cli, ["policy", "replay", str(tighter)], standalone_mode=False)
    assert isinstance(done.exception, InputError)
    assert "give --registry-uri" in str(done.exception)


def test_the_schema_is_printed_for_editors() -> None:
    done = CliRunner().invoke(cli, ["policy", "schema"], standalone_mode=False)
    found = json.loads(done.stdout)
    assert found["required"] == ["apiVersion", "kind", "name", "detectors"]
    assert found["additionalProperties"] is False
    assert found["properties"]["enforcement"]["default"] == "enforce"


@pytest.mark.parametrize(
    "name", ["www.evil.example", "WWW.evil.example", "see https://evil.example"]
)
def test_markdown_makes_no_link_of_a_name(name: str) -> None:
    standing = Standing(Verdict.PASSED, admits=True)
    refused = Standing(Verdict.FAILED, admits=False)
    row = Replayed(f"{name}/1", "sha256:0", standing, refused, "images", (name,))
    shown = as_markdown(Replay([row])).splitlines()[-1]
    assert shown.count("evil.example") == 2
    assert shown.count("\u200bevil.example") == 2
