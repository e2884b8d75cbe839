"""What a killed runner leaves among the temporary files is cleared away by the next one."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from xray_gate.runner.temporary import own_temporary_files

HOLDS = """
import sys, tempfile
from xray_gate.runner.temporary import own_temporary_files
with own_temporary_files():
    tempfile.mkdtemp(prefix="model-")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def runner(place: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another runner, which has a model among its temporary files."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(place)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    with process:
        yield process
        process.kill()


def test_what_a_killed_runner_left_is_removed(place: Path) -> None:
    with runner(place) as killed:
        (left,) = place.iterdir()
        assert [path for path in left.iterdir() if path.name.startswith("model-")]
        killed.send_signal(signal.SIGKILL)
        killed.wait(10)
        assert left.exists()
        with own_temporary_files() as own:
            assert list(place.iterdir()) == [own]


def test_the_files_of_a_runner_that_works_stay(place: Path) -> None:
    with runner(place):
        (other,) = place.iterdir()
        before = sorted(other.iterdir())
        with own_temporary_files() as own:
            assert sorted(place.iterdir()) == sorted([other, own])
        assert sorted(other.iterdir()) == before


def test_all_temporary_files_lie_in_one_folder_that_goes(place: Path) -> None:
    with own_temporary_files() as own:
        assert Path(tempfile.mkdtemp()).parent == own
        assert own.parent == place
    assert list(place.iterdir()) == []
    assert Path(tempfile.mkdtemp()).parent == place


def test_a_runner_that_has_only_begun_is_left_alone(place: Path) -> None:
    begun = place / "xray-gate-runner-begun"
    begun.mkdir()
    (begun / "new").touch()
    with own_temporary_files():
        assert (begun / "new").exists()


def test_a_link_is_not_followed(place: Path) -> None:
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").touch()
    trap = place / "xray-gate-runner-trap"
    trap.mkdir()
    (trap / "lock").symlink_to(elsewhere / "lock")
    (place / "xray-gate-runner-link").symlink_to(elsewhere)
    with own_temporary_files():
        assert (elsewhere / "lock").exists()
        assert (trap / "lock").is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make another user's files")
def test_other_users_files_are_left_alone(place: Path) -> None:
    foreign = place / "xray-gate-runner-foreign"
    foreign.mkdir()
    (foreign / "lock").touch()
    os.chown(foreign, 12345, 12345)
    with own_temporary_files():
        assert (foreign / "lock").exists()
