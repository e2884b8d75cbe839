"""The command `xray-gate`: one file for each sub-command, and one place where errors end.

stdout carries only the result; progress and messages go to stderr.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from xray_gate import __version__
from xray_gate.cli.adopt import adopt
from xray_gate.cli.break_glass import break_glass
from xray_gate.cli.calibrate import calibrate
from xray_gate.cli.cleanse import cleanse
from xray_gate.cli.demo import demo
from xray_gate.cli.doctor import doctor
from xray_gate.cli.exit_codes import ExitCode
from xray_gate.cli.filter import filter_command
from xray_gate.cli.foreign import one_line
from xray_gate.cli.hook import hook
from xray_gate.cli.install import install
from xray_gate.cli.keys import keys
from xray_gate.cli.log import log
from xray_gate.cli.logs import say, say_bug, set_up
from xray_gate.cli.policy import policy
from xray_gate.cli.rescan import rescan
from xray_gate.cli.revoke import revoke
from xray_gate.cli.runner import runner
from xray_gate.cli.scan import scan
from xray_gate.cli.status import status
from xray_gate.cli.verify import verify
from xray_gate.core.errors import InputError, PolicyError, XrayGateError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="xray-gate")
@click.option("--verbose", is_flag=True, help="Show logs on stderr.")
def cli(verbose: bool) -> None:
    """Scan models for backdoors, and gate an MLflow model registry with the verdict.

    Exit codes: 0 passed, 1 failed (suspected backdoor), 2 usage or unreadable input,
    3 undecided, 4 a bug of ours.
    """
    set_up(verbose)


_GATE = (scan, runner, status, rescan, revoke, break_glass, log, verify, keys)
_SITE = (install, adopt, doctor)
for command in (*_GATE, *_SITE, calibrate, filter_command, cleanse, policy, hook, demo):
    cli.add_command(command)


class _Terminated(BaseException):
    """SIGTERM arrived; not an Exception, so that nothing on the way takes it for a failure."""


def _terminate(*_: object) -> NoReturn:
    raise _Terminated


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM raises `_Terminated`; afterwards, signals do again what they did before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: not set from Python, which cannot set it again either.
            if handler is not None:
                signal.signal(number, handler)


def run(arguments: list[str] | None = None) -> NoReturn:
    """The console script: every way to end has its exit code."""
    # Telemetry would be a network connection that nobody asked for.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # MLflow writes a link to stdout for every run that ends.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # Ends as Ctrl-C does: servers and model processes that were started are stopped, too.
    with _terminable():
        code = _exit_code(arguments)
    sys.exit(int(code))


def _exit_code(arguments: list[str] | None) -> int:
    try:
        result = cli.main(arguments, prog_name="xray-gate", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Abort:
        say("interrupted")
        return 128 + signal.SIGINT
    except _Terminated:
        say("terminated")
        return 128 + signal.SIGTERM
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except PolicyError as error:
        # Of its problems each has a line.
        say(f"error: {error}")
        return ExitCode.USAGE
    except InputError as error:
        say(one_line(f"error: {error}"))
        return ExitCode.USAGE
    except XrayGateError as error:
        say(one_line(f"error: {error}"))
        return ExitCode.UNDECIDED
    except (BrokenPipeError, SystemExit):
        # The reader of stdout went away, for which click would end with 1, which means failed
        # here; a verdict that nobody read is not a pass either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.USAGE
    except Exception:
        say_bug("error: this is a bug of xray-gate; please report it with the above")
        return ExitCode.BUG
