"""Models that attack the machine they are loaded on, each in an isolation that is really there."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.backends import tiny_torch
from tests.backends.asking import brightest, request, some_images
from tests.backends.sandbox.hostile import write_hostile
from tests.backends.sandbox.isolations import needed
from tests.backends.test_limits import children
from tests.backends.tiny_pyfunc import write_pyfunc
from xray_gate.backends.isolation import open_model
from xray_gate.core.errors import InputError, ModelProcessError, XrayGateError
from xray_gate.core.isolation import Isolation, LeastIsolation
from xray_gate.probing.batches import Images
from xray_gate.scan.ports import ModelLimits

PROCESS: tuple[Isolation] = ("process",)
ISOLATED: list[Isolation] = ["landlock+seccomp", "bubblewrap"]

# Blocks every signal that can be, drops the alarm, and keeps all cores busy.
ENDLESS = """
import os, signal, threading

def spin():
    while True:
        pass

def _load_pyfunc(path):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    signal.setitimer(signal.ITIMER_REAL, 0)
    for _ in range(8):
        try:
            if os.fork() == 0:
                os.setsid()
                spin()
        except OSError:
            threading.Thread(target=spin, daemon=True).start()
    spin()
"""


@contextmanager
def listener() -> Iterator[tuple[socket.socket, socket.socket, dict[str, Any]]]:
    name = f"xray-gate-test-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind("\0" + name)
        unix.listen()
        for line in (tcp, unix):
            line.setblocking(False)
        yield tcp, unix, {"port": tcp.getsockname()[1], "abstract": name}


def hostile(home: Path, canary: Path, attempts: list[str], lines: dict[str, Any]) -> Path:
    """A model in a home directory with secrets, one of which is linked to from the model."""
    secrets = [home.parent / "secret", home / ".aws" / "credentials"]
    for secret in secrets:
        secret.parent.mkdir(parents=True, exist_ok=True)
        secret.write_text("hush")
    told = {
        "secrets": [*map(str, secrets), str(home / "model" / "weights")],
        "canary": str(canary),
        "parent": os.getpid(),
        "home": str(home),
        # Of what lies in the home directory, the model itself may show.
        "names": 1,
        "attempts": attempts,
        **lines,
    }
    model = write_hostile(home / "model", told)
    (model / "weights").symlink_to(secrets[1])
    return model


@pytest.mark.parametrize("isolation", ISOLATED)
def test_nothing_that_a_model_tries_on_loading_succeeds(
    isolation: Isolation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, canary = tmp_path / "home", tmp_path / "canary"
    monkeypatch.setenv("HOME", str(home))
    images = some_images(5)
    with listener() as (tcp, unix, lines):
        model_folder = hostile(home, canary, [], lines)
        cores = os.sched_getaffinity(0)
        among = (needed(isolation),)
        with open_model(request(model_folder), among) as model:
            assert model.environment["isolation"] == isolation
            assert model.labels(Images(images)).tolist() == brightest(images).tolist()
        for line in (tcp, unix):
            with pytest.raises(BlockingIOError):
                line.accept()
    assert not canary.exists()
    assert not Path("/dev/shm/xray-gate-canary").exists()
    assert not (model_folder / "code" / "x").exists()
    assert (tmp_path / "secret").read_text() == "hush"
    assert os.sched_getaffinity(0) == cores


def test_without_isolation_the_same_model_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the tests above try does work where nothing is in the way."""
    home, canary = tmp_path / "home", tmp_path / "canary"
    monkeypatch.setenv("HOME", str(home))
    attempts = [
        *("read the first secret", "read the second secret", "read the third secret"),
        *("list the home directory", "read the parent's environment", "connect", "fork"),
        *("run a shell", "signal the parent", "limit the parent"),
    ]
    with listener() as (_, _, lines):
        folder = hostile(home, canary, ["write a canary", *attempts], lines)
        asked = request(folder, isolation=LeastIsolation(pickled="process"))
        with pytest.raises(InputError) as caught, open_model(asked, PROCESS):
            pass
    assert [name for name in attempts if name not in str(caught.value)] == []
    assert canary.exists()


@pytest.mark.parametrize("isolation", ["process", *ISOLATED])
@pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.torch.jit.*is not supported in Python:DeprecationWarning")
def test_torchscript_writes_files_where_nothing_is_in_the_way(
    isolation: Isolation, tmp_path: Path
) -> None:
    """Why it counts as a program, though nothing of it is Python."""
    canary = tmp_path / "canary"
    path = tiny_torch.save_writing_torchscript(tmp_path / "m.pt", canary)
    asked = request(path, isolation=LeastIsolation(pickled="process"))
    among = (needed(isolation),)
    with contextlib.suppress(XrayGateError), open_model(asked, among) as model:
        model.labels(Images(some_images(2)))
    assert canary.exists() == (isolation == "process")


@pytest.mark.parametrize("isolation", ISOLATED)
def test_a_model_that_spins_in_all_ways_it_has_is_gone_at_the_deadline(
    isolation: Isolation, tmp_path: Path
) -> None:
    folder = write_pyfunc(tmp_path / "model", ENDLESS)
    among, before = (needed(isolation),), children()
    asked = request(folder, limits=ModelLimits(seconds=6.0))
    start = time.monotonic()
    with pytest.raises(ModelProcessError, match="within 6 seconds"), open_model(asked, among):
        pass
    assert time.monotonic() - start < 12
    assert children() == before
    assert spinning(folder) == []


def spinning(folder: Path) -> list[str]:
    """The command lines of processes that still hold the model."""
    time.sleep(0.2)
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(process.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return [line for line in found if str(folder) in line]
