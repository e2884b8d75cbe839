"""`xray-gate rescan` and `xray-gate status` on a real database."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.evidence import backdoored, unscannable
from tests.support.gate import Gate
from xray_gate.cli.main import cli
from xray_gate.core.errors import InputError
from xray_gate.policy.decision import decide
from xray_gate.scan.work import Settlement


@pytest.fixture
def gate(sqlite_database: str, tmp_path: Path) -> Gate:
    return Gate(sqlite_database, tmp_path / "policies")


def run(gate: Gate, *arguments: str) -> Result:
    where = ["--registry-uri", f"xray-gate+{gate.uri}"]
    return CliRunner().invoke(
        cli, [*arguments, *where], standalone_mode=False, catch_exceptions=True
    )


def give_up(gate: Gate, name: str = "signs") -> None:
    gate.register(name)
    lease = gate.work.claim()
    assert lease is not None
    policy = gate.work.policy_for(lease)
    assert policy is not None
    evidence = unscannable()
    gate.work.finish(lease, Settlement(evidence, decide(policy, evidence), policy, gave_up=True))


def put_back(gate: Gate) -> None:
    gate.register()
    lease = gate.work.claim()
    assert lease is not None
    gate.work.put_back(lease, "the store is away", 1000.0)


def test_a_version_waits_again(gate: Gate) -> None:
    give_up(gate)
    done = run(gate, "rescan", "signs/1")
    assert done.return_value == 0
    assert done.stdout == "signs/1: waits for a scan\n"
    assert gate.store.get_model_version("signs", 1).status == "PENDING_REGISTRATION"


def test_all_dead_letters_wait_again_and_nothing_else(gate: Gate) -> None:
    give_up(gate)
    gate.judged(backdoored())
    give_up(gate, "signs-b")
    done = run(gate, "rescan", "--dead-letters")
    assert done.stdout == "signs/1: waits for a scan\nsigns-b/1: waits for a scan\n"
    assert gate.store.get_model_version("signs", 2).status == "FAILED_REGISTRATION"
    assert run(gate, "rescan", "--dead-letters").stdout == "no version was given up\n"


def test_one_that_is_gone_does_not_stop_the_others(gate: Gate) -> None:
    give_up(gate)
    give_up(gate, "signs-b")
    gate.plain.delete_model_version("signs", 1)
    done = run(gate, "rescan", "--dead-letters")
    assert done.stdout == "signs-b/1: waits for a scan\n"
    assert done.stderr.startswith("error: signs/1: was deleted")
    assert done.return_value == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name one version, as in NAME/3, or give --dead-letters; not both"),
        (["signs/1", "--dead-letters"], "not both"),
        (["signs"], "signs: name one version, as in signs/3"),
        (["signs/9"], "signs/9: the gate has seen no such version"),
    ],
)
def test_what_cannot_be_done_is_said(gate: Gate, arguments: list[str], message: str) -> None:
    done = run(gate, "rescan", *arguments)
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)


def test_a_dead_letter_is_seen_in_its_status(gate: Gate) -> None:
    give_up(gate)
    lines = run(gate, "status", "signs/1").stdout.splitlines()
    assert lines[0] == "signs/1  dead letter"
    assert lines[1].startswith("  verdict   undecided (policy images)")
    assert lines[-1] == "  next      xray-gate rescan signs/1, when that is mended"
    assert json.loads(run(gate, "status", "signs/1", "--format", "json").stdout)[0]["state"] == (
        "dead_letter"
    )


def test_a_version_that_is_tried_again_says_why_and_when(gate: Gate) -> None:
    put_back(gate)
    lines = run(gate, "status", "signs").stdout.splitlines()
    assert lines[:2] == ["signs/1  waiting", "  failed    the store is away (try 1)"]
    assert lines[2].startswith("  next try  20")
    (row,) = json.loads(run(gate, "status", "signs", "--format", "json").stdout)
    assert row["failure"] == "the store is away"
    assert row["retry_at"] == lines[2].split()[-1]


def test_without_a_name_it_shows_what_is_not_done_with(gate: Gate) -> None:
    told = "no version waits for a scan, none was given up, and nothing is to be reviewed\n"
    assert run(gate, "status").stdout == told
    gate.judged(backdoored())
    give_up(gate)
    put_back(gate)
    gate.register("signs-b")
    shown = run(gate, "status").stdout.split("\n\n")
    assert [text.splitlines()[0] for text in shown] == [
        "signs/2  dead letter",
        "signs/3  waiting",
        "signs-b/1  waiting",
    ]
    assert json.loads(run(gate, "status", "--format", "json").stdout)[0]["version"] == 2
