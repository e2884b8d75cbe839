"""`xray-gate log` on a real database."""

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.cli.conftest import Command
from tests.cli.making import Ended
from tests.support.evidence import backdoored
from tests.support.gate import Gate, assert_refused


@pytest.fixture
def gate(sqlite_database: str, tmp_path: Path) -> Gate:
    """One version that is promoted, and one that cannot be."""
    made = Gate(sqlite_database, tmp_path / "policies", clock=lambda: 1_763_800_000.0)
    made.admitted()
    made.store.set_registered_model_alias("signs", "champion", 1)
    made.judged(backdoored())
    with assert_refused():
        made.store.set_registered_model_alias("signs", "champion", 2)
    return made


def run(command: Command, gate: Gate, *arguments: str) -> Ended:
    return command("log", *arguments, "--registry-uri", f"xray-gate+{gate.uri}")


def events(ended: Ended) -> list[str]:
    assert ended.code == 0
    return [json.loads(line)["event"] for line in ended.out.splitlines()]


def test_lines_for_people(gate: Gate, command: Command) -> None:
    ended = run(command, gate, "signs/2", "--event", "promotion_refused")
    (line,) = ended.out.splitlines()
    assert ended.code == 0
    assert line.startswith("10  2025-11-22T08:26:40Z  promotion_refused  signs/2  by server  ")
    assert "  alias: champion" in line
    assert "reason: signs/2 cannot be given the alias 'champion': the verdict under" in line
    registered = run(command, gate, "signs", "--event", "registered").out.splitlines()
    assert len(registered) == 2
    assert "by server  policy images  " in registered[0]


def test_what_a_registrant_wrote_steers_no_terminal(gate: Gate, command: Command) -> None:
    gate.register("signs", "s3://models/\x1b[31mred\u202e")
    shown = run(command, gate, "signs/3").out + run(command, gate, "--format", "jsonl").out
    assert "red" in shown
    assert shown.replace("\n", "").isprintable()


def test_a_name_that_the_log_does_not_hold_is_told(gate: Gate, command: Command) -> None:
    ended = run(command, gate, "sings")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "no line of the log is of that; check name, filters and workspace\n"
    assert run(command, gate, "signs").err == ""


def test_filters(gate: Gate, command: Command) -> None:
    lines = ["--format", "jsonl"]
    whole = events(run(command, gate, *lines))
    assert whole[:2] == ["log_began", "policy_changed"]
    assert events(run(command, gate, "signs/2", *lines)) == [
        "registered",
        "scanned",
        "verdict",
        "promotion_refused",
    ]
    assert events(run(command, gate, "--actor", "runner-1", *lines)) == ["scanned", "verdict"] * 2
    wanted = ["--event", "verdict", "--event", "promotion_granted"]
    assert events(run(command, gate, *wanted, *lines)) == [
        "verdict",
        "promotion_granted",
        "verdict",
    ]
    assert events(run(command, gate, "--workspace", "other", *lines)) == []
    # Only the runner here goes by the clock of this machine.
    until = ["--until", "2025-11-22T09:26:41+01:00", "--since", "2025-11-22"]
    server = ["policy_changed", "registered", "promotion_granted", "registered"]
    assert events(run(command, gate, *until, *lines)) == [*server, "promotion_refused"]


def test_a_whole_chain_ends_0(gate: Gate, command: Command) -> None:
    kept = run(command, gate, "--head")
    assert kept.code == 0
    ended = run(command, gate, "--check", "--from-head", kept.out.strip())
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"10 line(s), whole; newest {kept.out}"
    assert "no head was given" in run(command, gate, "--check").err


def test_a_changed_line_ends_1_and_is_located(gate: Gate, command: Command) -> None:
    with gate.connection() as connection:
        connection.execute(text("UPDATE xray_gate_log SET version = 7 WHERE seq = 5"))
    ended = run(command, gate, "--check")
    assert ended.code == 1
    assert ended.out.splitlines() == [
        "broken at line 5: content changed",
        "  line 5: its content is not what was written",
        "  4 line(s) before it are whole",
    ]


def test_an_export_is_checked_without_a_registry(
    gate: Gate, command: Command, tmp_path: Path
) -> None:
    path, head = tmp_path / "log.jsonl", run(command, gate, "--head").out.strip()
    path.write_text(run(command, gate, "--format", "jsonl").out)
    assert command("log", "--check", path, "--from-head", head).code == 0
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:6], *lines[7:]]))
    ended = command("log", "--check", path)
    assert (ended.code, ended.out.splitlines()[0]) == (1, "broken at line 7: removed")
    path.write_text("".join(lines[:-2]))
    assert command("log", "--check", path).code == 0
    ended = command("log", "--check", path, "--from-head", head)
    assert (ended.code, ended.out.splitlines()[0]) == (1, "broken at line 9: removed")


def test_a_lost_head_ends_1(gate: Gate, command: Command) -> None:
    with gate.connection() as connection:
        connection.execute(text("DELETE FROM xray_gate_log_head"))
    assert run(command, gate, "--head").code == 1
    assert run(command, gate, "--check").code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "log reads the registry's database: give --registry-uri"),
        (["--check"], "--check reads the registry's database or a file: give one of them"),
        (["--check", "no-such.jsonl"], "no-such.jsonl: cannot be read (No such file"),
        (["--check", "--actor", "ann"], "leave the filters out"),
        (["--head", "--event", "verdict"], "leave the filters out"),
        (["--from-head", "1:ab"], "--from-head is compared by --check; give both"),
        (["--check", "--from-head", "1:ab"], "'1:ab': is no head; give SEQ:HASH"),
        (["--since", "soon", "--registry-uri", "xray-gate+sqlite://"], "'soon': is no time"),
    ],
)
def test_what_cannot_be_asked_ends_2(command: Command, arguments: list[str], message: str) -> None:
    ended = command("log", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
