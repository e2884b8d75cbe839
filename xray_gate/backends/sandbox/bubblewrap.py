"""The command line of bubblewrap: namespaces of its own, and files from read-only binds."""

from collections.abc import Iterable
from pathlib import Path

from xray_gate.backends.sandbox.places import DEVICES, Places

HOME = "/tmp"  # noqa: S108
# The private folder is in memory.
SCRATCH_BYTES = 256 * 2**20


def prefix(bwrap: str, places: Places) -> list[str]:
    """What goes before a command: no network, no other process, and only `places` to read."""
    return [
        *(bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--proc", "/proc", "--dev", "/dev"),
        *("--size", str(SCRATCH_BYTES), "--tmpfs", HOME),
        *_binds("--ro-bind-try", [*places.files, *_outside_proc(places.kernel)]),
        # Those that every machine has came with its /dev.
        *_binds("--dev-bind-try", set(places.devices) - set(DEVICES)),
        # Root's files in /proc stay root's in a namespace of users; the others are file systems in
        # memory without a bound.
        *("--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"),
        *("--chdir", HOME, "--"),
    ]


def _binds(option: str, paths: Iterable[str]) -> list[str]:
    """Each path once; parents come first, and what lies in them needs no bind of its own."""
    bound: set[Path] = set()
    arguments: list[str] = []
    for path in sorted(map(Path, paths)):
        if bound.isdisjoint([path, *path.parents]):
            bound.add(path)
            arguments += [option, str(path), str(path)]
    return arguments


def _outside_proc(paths: Iterable[str]) -> list[str]:
    """It has a /proc of its own."""
    return [path for path in paths if not Path(path).is_relative_to("/proc")]
