"""Exceptions in what people read: counted wherever a verdict is told."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.evidence import (
    backdoored,
    day,
    policy_document,
    write_exception,
    write_policy,
)
from tests.support.gate import Gate
from xray_gate.cli.main import cli


@pytest.fixture
def gate(sqlite_database: str, tmp_path: Path) -> Gate:
    """A version that failed and is admitted by an exception."""
    found = Gate(sqlite_database, tmp_path / "policies")
    found.set_policy(exceptions={"most_days": 30})
    write_exception(found.folder)
    found.judged(backdoored())
    return found


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.exception is None
    return done


def in_days(text: str) -> str:
    # A day may end while a test runs.
    return text.replace("in 11 days", "in 12 days")


def count_of(done: Result) -> int:
    """How many findings a check counted."""
    return int(done.stderr.splitlines()[-1].split()[0])


def test_status_counts_the_days(gate: Gate) -> None:
    where = ("--registry-uri", f"xray-gate+{gate.uri}")
    lines = in_days(run("status", "signs/1", *where).stdout).splitlines()
    assert lines[0] == "signs/1  admitted"
    assert lines[1] == "  verdict   failed (policy images)"
    assert f"  exception admitted by 1 exception, expires in 12 days ({day(12)})" in lines
    assert "            known-attractor: model_xray, ticket PLAT-7" in lines
    (row,) = json.loads(run("status", "signs/1", "--format", "json", *where).stdout)
    assert (row["verdict"], row["state"]) == ("failed", "admitted")
    assert [one["name"] for one in row["exceptions"]] == ["known-attractor"]


def test_a_replay_counts_them(gate: Gate) -> None:
    where = ("--registry-uri", f"xray-gate+{gate.uri}")
    told = in_days(run("policy", "replay", str(gate.folder), *where).stdout)
    assert told.splitlines()[0].endswith("1 would be admitted by exceptions.")
    assert (
        f"signs/1: failed, admitted, admitted by 1 exception, expires in 12 days ({day(12)}): "
        "known-attractor (model_xray)"
    ) in told
    table = in_days(
        run("policy", "replay", str(gate.folder), "--format", "markdown", *where).stdout
    )
    assert "admitted by 1 exception, expires in 12 days" in table
    found = json.loads(run("policy", "replay", str(gate.folder), "--format", "json", *where).stdout)
    assert found["admitted_by_exceptions"] == 1
    assert found["versions"][0]["exceptions"][0]["ticket"] == "PLAT-7"


def test_a_replay_without_it_names_what_would_be_refused(gate: Gate, tmp_path: Path) -> None:
    gate.store.set_registered_model_alias("signs", "champion", 1)
    changed = write_policy(tmp_path / "changed", policy_document(exceptions={"most_days": 30}))
    where = ("--registry-uri", f"xray-gate+{gate.uri}")
    told = run("policy", "replay", str(changed), *where).stdout
    assert "signs/1: failed, admitted -> failed, refused" in told
    assert "  is now  alias champion" in told


def test_a_check_lists_those_that_count_and_fails_for_those_that_do_not(gate: Gate) -> None:
    done = run("policy", "check", str(gate.folder))
    assert "exception known-attractor: admits sha256:" in done.stdout
    before = count_of(done)
    expired = write_exception(gate.folder, name="old", created=day(-9), expires=day(-1))
    broken = write_exception(gate.folder, name="wrong", rule="no_such")
    for path in (gate.folder, expired):
        done = run("policy", "check", str(path))
        assert done.return_value == 1
        assert f"the exception old: expires: it has expired on {day(-1)}" in done.stdout
        assert f"{broken}:" in done.stdout
        assert count_of(done) == before + 2


def test_an_explanation_names_them(gate: Gate) -> None:
    told = run("policy", "explain", str(gate.folder)).stdout
    assert (
        "  Exceptions: reviewed ones of at most 30 days admit what does not pass (1 beside it)."
        in (told.splitlines())
    )


def test_editors_get_its_schema() -> None:
    schema = json.loads(run("policy", "schema", "--exception").stdout)
    assert schema["title"] == "xray-gate exception, v1"
    assert {"model", "rule", "expires"} <= set(schema["required"])
    assert schema["additionalProperties"] is False
