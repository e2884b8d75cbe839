"""Terms that a process imposes on itself, asked of the kernel."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.backends.sandbox.isolations import needed
from xray_gate.backends.sandbox import landlock
from xray_gate.backends.sandbox.environment import bare_environment
from xray_gate.backends.sandbox.launch import Launch
from xray_gate.backends.sandbox.terms import Terms
from xray_gate.core.isolation import Isolation

TELL = """
import json, os, resource, sys
from xray_gate.backends.sandbox.confine import confine
from xray_gate.backends.sandbox.terms import Terms
confine(Terms.from_text(sys.argv[1]))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
told = {name: status[name].strip() for name in ("CapEff", "NoNewPrivs", "Seccomp")}
for name in ("CORE", "NOFILE", "FSIZE", "CPU", "AS"):
    told[name] = resource.getrlimit(getattr(resource, "RLIMIT_" + name))[1]
print(json.dumps(told))
"""


def told(isolation: Isolation, home: Path, **changes: Any) -> dict[str, Any]:
    launch = Launch(
        isolation, home, 30.0, 2**31, environment=bare_environment(home, 1, 1), **changes
    )
    command = launch.command("-", "-")
    at = command.index("-m")
    done = subprocess.run(
        [*command[:at], "-c", TELL, command[at + 2]],
        env=launch.variables(),
        cwd=home,
        capture_output=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("isolation", "cuda", "file_bytes"),
    [
        ("landlock+seccomp", False, 0),
        ("landlock+seccomp", True, 2**28),
        ("bubblewrap", False, 2**28),
        ("bubblewrap", True, 2**28),
    ],
)
def test_privileges_and_limits_are_gone(
    isolation: Isolation, cuda: bool, file_bytes: int, tmp_path: Path
) -> None:
    found = told(needed(isolation), tmp_path, cuda=cuda)
    assert found["CapEff"] == "0" * 16
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
    assert (found["CORE"], found["FSIZE"], found["AS"]) == (0, file_bytes, 2**31)
    assert 0 < found["NOFILE"] <= 1024
    assert found["CPU"] >= 30


def test_without_isolation_the_limits_hold_all_the_same(tmp_path: Path) -> None:
    found = told("process", tmp_path)
    assert found["Seccomp"] == "0"
    assert (found["CORE"], found["FSIZE"], found["AS"]) == (0, 2**28, 2**31)


def test_a_process_that_has_threads_already_is_not_restricted() -> None:
    """They would go on unrestricted; the interpreter that runs this is left as it was."""
    code = """
import threading, time
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
from xray_gate.backends.sandbox.confine import confine
from xray_gate.backends.sandbox.terms import Terms
confine(Terms(0, 60.0, 60, 0, filtered=True))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"a thread runs before the restrictions hold; remove what starts it" in done.stderr


def test_terms_survive_the_command_line() -> None:
    terms = Terms(1, 2.5, 3, 4, True, True, False, True, ("/a b", "/\u00e9"), ("/c",), ())
    assert Terms.from_text(terms.to_text()) == terms


@pytest.mark.parametrize(
    ("version", "rights"), [(1, 13), (2, 14), (3, 15), (4, 15), (5, 16), (6, 16), (7, 16), (99, 16)]
)
def test_each_version_of_landlock_is_asked_for_the_rights_it_knows(
    version: int, rights: int
) -> None:
    assert landlock.file_rights(version) == 2**rights - 1
