"""Runs in the model's process: imposes its terms, for good, before anything else is loaded."""

import os
import resource
import signal
import struct

from xray_gate.backends.sandbox import landlock, seccomp
from xray_gate.backends.sandbox.kernel import prctl, syscall
from xray_gate.backends.sandbox.terms import Terms

_SET_PARENT_DEATH_SIGNAL, _SET_DUMPABLE, _SET_NO_NEW_PRIVILEGES = 1, 4, 38
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION = 0x20080522
_OPEN_FILES = 1024


def confine(terms: Terms) -> None:
    """Impose `terms` on this process; OSError or RuntimeError where one of them cannot be.

    No thread may have been started yet: Landlock binds those that come later only.
    """
    _limit(terms)
    prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    # No core dump, and no other process of the same user may look into this one.
    prctl(_SET_DUMPABLE, 0)
    if not terms.filtered:
        return
    if len(os.listdir("/proc/self/task")) != 1:  # noqa: PTH208
        raise RuntimeError("a thread runs before the restrictions hold; remove what starts it")
    prctl(_SET_NO_NEW_PRIVILEGES, 1)
    _drop_capabilities()
    truncation_guarded = True
    if terms.fenced:
        truncation_guarded = landlock.guards_truncation()
        landlock.restrict(terms.readable, terms.listed, terms.devices)
    seccomp.restrict(seccomp.Leave(terms.scratch, terms.cuda, truncation_guarded))


def _limit(terms: Terms) -> None:
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _lower(resource.RLIMIT_FSIZE, terms.file_bytes)
    _lower(resource.RLIMIT_CPU, terms.cpu_seconds)
    if terms.memory_bytes:
        _lower(resource.RLIMIT_AS, terms.memory_bytes)
    # Ends this process even if the one that should is gone.
    signal.setitimer(signal.ITIMER_REAL, terms.seconds)


def _lower(limit: int, value: int) -> None:
    _, most = resource.getrlimit(limit)
    if most != resource.RLIM_INFINITY:
        # A limit that is lower already cannot be raised.
        value = min(value, most)
    resource.setrlimit(limit, (value, value))


def _drop_capabilities() -> None:
    """Being root is being the owner of root's files, and no more."""
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    syscall(_CAPSET[os.uname().machine], header, bytes(24))
