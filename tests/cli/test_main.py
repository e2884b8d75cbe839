"""Where errors end: each kind has its exit code, and none of them looks like a pass."""

import signal

import click
import pytest

from tests.cli.conftest import Command
from xray_gate import __version__
from xray_gate.cli.exit_codes import BY_VERDICT, ExitCode
from xray_gate.cli.main import cli
from xray_gate.core import errors
from xray_gate.core.verdict import Verdict


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Makes `xray-gate status` end with an error."""

    @click.command()
    def fail() -> None:
        raise error

    monkeypatch.setitem(cli.commands, "status", fail)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (errors.InputError("no file; give one"), 2, "error: no file; give one\n"),
        (errors.PolicyError("no policy; write one"), 2, "error: no policy; write one\n"),
        (errors.ShapeMismatch("3 is not 4; set size"), 2, "error: 3 is not 4; set size\n"),
        (errors.ScanError("no scan; try again"), 3, "error: no scan; try again\n"),
        (errors.ModelProcessError("it died; look"), 3, "error: it died; look\n"),
        (errors.BudgetExhausted("spent; raise it"), 3, "error: spent; raise it\n"),
        (errors.LeaseLost("gone; wait"), 3, "error: gone; wait\n"),
        (click.UsageError("not so"), 2, "not so"),
        (click.FileError("a", "is locked"), 2, "is locked"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (click.Abort(), 130, "interrupted\n"),
    ],
)
def test_expected_errors_have_their_exit_code(
    error: BaseException,
    code: int,
    said: str,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing(monkeypatch, error)
    ended = command("status")
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "error", [ValueError("oh"), KeyError("oh"), RecursionError("oh"), OSError(28, "oh")]
)
def test_a_bug_ends_with_4_and_shows_where(
    error: Exception, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, error)
    ended = command("status")
    assert (ended.code, ended.out) == (4, "")
    assert "Traceback" in ended.err
    assert ended.err.endswith("this is a bug of xray-gate; please report it with the above\n")


def test_a_command_that_is_told_to_end_leaves_signals_as_they_were(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def end() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.raise_signal(signal.SIGTERM)

    def mine(*_: object) -> None:
        raise AssertionError("a signal arrived")

    monkeypatch.setitem(cli.commands, "status", end)
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, mine) for number in numbers]
    try:
        ended = command("status")
        assert (ended.code, ended.out, ended.err) == (143, "", "terminated\n")
        assert [signal.getsignal(number) for number in numbers] == [mine, mine]
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def test_the_exit_codes_are_those_of_the_contract() -> None:
    assert {verdict: int(code) for verdict, code in BY_VERDICT.items()} == {
        Verdict.PASSED: 0,
        Verdict.FAILED: 1,
        Verdict.UNDECIDED: 3,
    }
    assert (ExitCode.USAGE, ExitCode.BUG) == (2, 4)


def test_help_and_version_end_with_0(command: Command) -> None:
    assert command("--version").out == f"xray-gate, version {__version__}\n"
    names = ("scan", "calibrate", "policy check", "runner", "status", "revoke", "verify", "keys")
    for name in ([], *(text.split() for text in (*names, "install", "doctor"))):
        ended = command(*name, "--help")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith("Usage: xray-gate")


@pytest.mark.parametrize("arguments", [["scam"], ["--nope"], ["scan"], ["calibrate"], ["policy"]])
def test_usage_errors_end_with_2_and_leave_stdout_empty(
    arguments: list[str], command: Command
) -> None:
    ended = command(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "Usage: xray-gate" in ended.err


def test_status_and_runner_say_which_address_they_need(command: Command) -> None:
    ended = command("status", "signs")
    assert ended.code == 2
    assert "give --registry-uri xray-gate+" in ended.err
    ended = command("runner", "--once")
    assert ended.code == 2
    assert "--registry-uri xray-gate+... and --tracking-uri http://" in ended.err
