import os
import pwd
import sys
from pathlib import Path

import pytest

import xray_gate
from xray_gate.backends.sandbox import bubblewrap
from xray_gate.backends.sandbox.places import places

PACKAGE = Path(xray_gate.__file__).parent


def readable(path: Path, model: Path | None = None) -> bool:
    return any(path.is_relative_to(place) for place in places(model, cuda=False).files)


def test_python_and_its_packages_can_be_read() -> None:
    assert readable(Path(sys.executable))
    assert readable(Path(sys.executable).resolve())
    assert readable(Path(os.__file__))
    assert readable(Path(pytest.__file__))
    assert readable(PACKAGE / "backends" / "child.py")


def test_nothing_of_the_user_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # That of the account, which the variable below only hides.
    own = Path(pwd.getpwuid(os.getuid()).pw_dir)
    home = tmp_path / "home"
    work = home / "work"
    (work / "libs").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    monkeypatch.setattr(sys, "path", ["", "/", str(home), str(work), str(work / "libs"), *sys.path])
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{home}:{work}/so:")
    for secret in (home / ".netrc", work / ".env", Path("/etc/shadow"), own / ".ssh" / "id"):
        assert not readable(secret)
    assert readable(work / "libs" / "theirs.py")
    assert readable(work / "so" / "libtheirs.so")


def test_of_a_checkout_the_package_alone_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / PACKAGE.name).symlink_to(PACKAGE)
    monkeypatch.setattr("xray_gate.backends.sandbox.places._PACKAGE", checkout / PACKAGE.name)
    monkeypatch.setattr(sys, "path", [str(checkout)])
    found = places(None, cuda=False)
    assert str(checkout) in found.listed
    assert readable(checkout / PACKAGE.name / "backends" / "child.py")
    assert not readable(checkout / ".env")


def test_of_a_files_folder_only_what_is_named_after_it_can_be_read(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    named = [model, tmp_path / "m.onnx.data", tmp_path / "m_weights.bin"]
    others = [tmp_path / "mine.txt", tmp_path / "other.onnx", tmp_path / ".env"]
    for path in (*named, *others):
        path.touch()
    assert [path for path in (*named, *others) if readable(path, model)] == named


def test_cuda_brings_its_own_devices_and_no_others() -> None:
    plain, cuda = places(None, cuda=False), places(None, cuda=True)
    nodes = sorted(str(node) for node in Path("/dev").glob("nvidia*"))
    assert set(cuda.devices) >= {*plain.devices, *nodes}
    assert all(node.startswith(("/dev/nvidia", "/dev/dri")) for node in cuda.devices[5:])
    assert {*cuda.kernel} - {*plain.kernel} >= {"/proc/driver/nvidia", "/sys/bus/pci"}
    assert cuda.files == plain.files


def test_bubblewrap_binds_parents_once_and_makes_all_else_read_only() -> None:
    command = bubblewrap.prefix("bwrap", places(PACKAGE / "py.typed", cuda=True))
    assert command[:3] == ["bwrap", "--unshare-all", "--die-with-parent"]
    bound = [command[n + 1] for n, word in enumerate(command) if word == "--ro-bind-try"]
    assert bound == sorted(set(bound), key=Path)
    covered = [a for a in bound for b in bound if a != b and Path(a).is_relative_to(b)]
    assert covered == []
    assert not any(path.startswith("/proc") for path in bound)
    frozen = [command[n + 1] for n, word in enumerate(command) if word == "--remount-ro"]
    assert frozen == ["/proc", "/dev", "/"]
    assert command.index("--remount-ro") > max(n for n, w in enumerate(command) if "bind" in w)
