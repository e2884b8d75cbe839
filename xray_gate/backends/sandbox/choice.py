"""The strongest isolation that works on this machine, found by trying it."""

import functools
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Collection
from pathlib import Path

from xray_gate.backends.sandbox.environment import bare_environment
from xray_gate.backends.sandbox.launch import Launch
from xray_gate.core.isolation import ISOLATIONS, Isolation

_TRIAL = "xray_gate.backends.sandbox.trial"
_TRIAL_SECONDS = 30.0
_MOST_WORDS = 200


def strongest(among: Collection[Isolation] = ISOLATIONS) -> Isolation:
    """The strongest of `among` that holds here, "process" when none does; tried once a process."""
    for isolation in reversed(ISOLATIONS):
        if isolation in among and not why_not(isolation):
            return isolation
    return "process"


def why_not(isolation: Isolation) -> str:
    """Why an isolation cannot be used here, in a few words; empty when it can."""
    if isolation == "process":
        return ""
    bwrap = shutil.which("bwrap") if isolation == "bubblewrap" else ""
    return "bwrap is not on PATH" if bwrap is None else _fails(isolation, bwrap)


@functools.cache
def _fails(isolation: Isolation, _program: str) -> str:
    """What goes wrong when a process in the isolation tries what is forbidden to it."""
    with tempfile.TemporaryDirectory(prefix="xray-gate-") as folder:
        (Path(folder) / "secret").write_text("of the user")
        home = Path(folder) / "home"
        home.mkdir()
        launch = Launch(isolation, home, _TRIAL_SECONDS, environment=bare_environment(home, 1, 1))
        try:
            done = subprocess.run(  # noqa: S603
                launch.command(_TRIAL, folder),
                env=launch.variables(),
                cwd=home,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                start_new_session=True,
                timeout=_TRIAL_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)[:_MOST_WORDS]
    return "" if done.returncode == 0 else _last_words(done)


def _last_words(done: "subprocess.CompletedProcess[bytes]") -> str:
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    if lines:
        return lines[-1][-_MOST_WORDS:]
    if done.returncode < 0:
        return f"its trial was killed by {signal.Signals(-done.returncode).name}"
    return f"its trial ended with exit status {done.returncode}"
