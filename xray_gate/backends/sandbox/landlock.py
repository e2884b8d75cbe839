"""Landlock: this process reads what it is given, and nothing else, and writes to no file.

Rights and structures are those of the kernel's `linux/landlock.h`. What a kernel does not know yet
of them is left out; the filter of `seccomp.py` covers sockets, signals and truncation without it.
"""

import os
import struct
from collections.abc import Iterable

from xray_gate.backends.sandbox.kernel import syscall

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_IOCTL_DEV = 1 << 15
# All rights over files, by the version that brought the last of them.
_FILE_RIGHTS = {1: 1 << 13, 2: 1 << 14, 3: 1 << 15, 5: 1 << 16}
_NET_RIGHTS, _NET_SINCE = 0b11, 4
_SCOPES, _SCOPES_SINCE = 0b11, 6
# From this version on, nothing that may be read only can be truncated.
_TRUNCATION_SINCE = 3


def version() -> int:
    """The version that the kernel offers; OSError where it has none, or it is switched off."""
    return syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)


def guards_truncation() -> bool:
    """Whether files that may only be read cannot be emptied either."""
    return version() >= _TRUNCATION_SINCE


def restrict(readable: Iterable[str], listed: Iterable[str], devices: Iterable[str]) -> None:
    """Leave the calling thread, and threads it starts, these paths, for good.

    `readable`: files, and folders with all in them; `listed`: folders of which only names are read,
    at any depth; `devices`: read, written and controlled. A path that does not exist is left out.
    Neither TCP, nor abstract sockets and signals to others, where the kernel knows how. Needs
    no_new_privs; raises OSError.
    """
    offered = version()
    rights = file_rights(offered)
    ruleset = syscall(
        _CREATE_RULESET,
        struct.pack(
            "QQQ",
            rights,
            _NET_RIGHTS if offered >= _NET_SINCE else 0,
            _SCOPES if offered >= _SCOPES_SINCE else 0,
        ),
        24,
        0,
    )
    try:
        for path in readable:
            _add(ruleset, path, _READ_FILE | _READ_DIR)
        for path in listed:
            _add(ruleset, path, _READ_DIR)
        for path in devices:
            _add(ruleset, path, (_READ_FILE | _READ_DIR | _WRITE_FILE | _IOCTL_DEV) & rights)
        syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def file_rights(offered: int) -> int:
    """The rights over files that the version `offered`, at least 1, knows, as bits."""
    newest = max(since for since in _FILE_RIGHTS if since <= offered)
    return _FILE_RIGHTS[newest] - 1


def _add(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        if not os.path.isdir(f"/proc/self/fd/{place}"):  # noqa: PTH112
            rights &= ~_READ_DIR
        if rights:
            syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)
