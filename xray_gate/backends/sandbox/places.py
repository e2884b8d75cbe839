"""Which paths the model's process may read: Python, libraries and the model, nothing of yours."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]
_INSTALLED = ("site-packages", "dist-packages")

_LIBRARIES = (
    *("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/share"),
    *("/usr/local/lib", "/usr/local/lib64", "/usr/local/cuda", "/nix/store", "/gnu/store"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives"),
    *("/etc/localtime", "/etc/timezone", "/etc/ssl/openssl.cnf", "/etc/ssl/certs"),
    *("/etc/mime.types", "/etc/nsswitch.conf"),
)
_KERNEL = (
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/version"),
    *("/proc/sys/vm/overcommit_memory", "/sys/devices/system/cpu", "/sys/devices/system/node"),
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_CUDA_KERNEL = (
    *("/proc/driver/nvidia", "/proc/devices", "/proc/modules", "/proc/sys/vm/mmap_min_addr"),
    *("/sys/bus/pci", "/sys/class/drm", "/sys/devices", "/sys/module"),
)
_CUDA_DEVICES = ("nvidia*", "nvidia-caps/*", "dri/renderD*")


@dataclass(frozen=True)
class Places:
    """Absolute paths, of which some may not exist.

    `files` hold what is read from disks, `kernel` what the kernel tells of itself, `listed` are
    folders whose names alone are read, `devices` are read and written.
    """

    files: tuple[str, ...]
    kernel: tuple[str, ...]
    listed: tuple[str, ...]
    devices: tuple[str, ...]


def places(model: Path | None, *, cuda: bool) -> Places:
    """What a process may read that opens `model`, a file or a folder."""
    kernel, devices = list(_KERNEL), list(DEVICES)
    if cuda:
        kernel += _CUDA_KERNEL
        devices += [str(p) for name in _CUDA_DEVICES for p in sorted(Path("/dev").glob(name))]
    whole, listed = _modules()
    files = [*_LIBRARIES, *_interpreter(), *_library_path(), *whole, *_model_files(model)]
    return Places(_unique(files), _unique(kernel), _unique(listed), _unique(devices))


def _interpreter() -> Iterator[str]:
    for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix):
        # Someone who runs the Python of / or of the home directory has its bin and lib alone.
        parts = [""] if not _holds_yours(Path(prefix)) else ["bin", "lib", "lib64"]
        for part in parts:
            yield str(Path(prefix, part))
            yield str(Path(prefix, part).resolve())
    # Each step of a chain of links.
    hop = Path(sys.executable)
    while hop.is_symlink():
        yield str(hop)
        hop = Path(os.path.normpath(hop.parent / hop.readlink()))
    yield str(hop)


def _library_path() -> Iterator[str]:
    for entry in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep):
        if entry and Path(entry).is_absolute() and not _holds_yours(Path(entry)):
            yield entry


def _modules() -> tuple[list[str], list[str]]:
    """Of the entries of sys.path those that are read whole, and those whose names are listed.

    Of the folder of a checkout that is the package alone, and nothing of a folder that holds yours.
    """
    whole, listed = [str(_PACKAGE)], []
    for entry in map(Path, filter(os.path.isabs, sys.path)):
        if entry.resolve() == _PACKAGE.parent and entry.name not in _INSTALLED:
            listed.append(str(entry))
            whole.append(str(entry / _PACKAGE.name))
        elif not _holds_yours(entry):
            whole.append(str(entry))
    return whole, listed


def _model_files(model: Path | None) -> Iterator[str]:
    """The folder, or the file and those beside it that are named after it, as its weights are."""
    if model is None:
        return
    yield str(model)
    if model.is_file():
        named = re.compile(re.escape(model.stem) + r"(?![A-Za-z0-9]).*")
        with contextlib.suppress(PermissionError):
            for beside in sorted(model.parent.iterdir()):
                if named.fullmatch(beside.name) and beside.is_file():
                    yield str(beside)


def holds_home(folder: Path) -> bool:
    """Whether the home directory is this folder, or lies in it."""
    return _home().is_relative_to(folder.resolve())


def _holds_yours(folder: Path) -> bool:
    return holds_home(folder) or Path.cwd().is_relative_to(folder.resolve())


def _home() -> Path:
    try:
        return Path.home().resolve()
    except RuntimeError:
        # Nobody knows whose process this is, so there is nothing of theirs.
        return Path("/nonexistent")


def _unique(found: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))
