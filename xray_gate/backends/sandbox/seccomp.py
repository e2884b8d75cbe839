"""A seccomp filter over `syscalls.py`: what is not on the list answers EPERM.

The filter is a program of classic BPF over `struct seccomp_data` (linux/seccomp.h, linux/filter.h).
Arguments are compared by their low 32 bits, since the kernel itself cuts all of those that are
looked at here to an int.
"""

import ctypes
import errno
import fcntl
import os
import platform
import struct
from dataclasses import dataclass

from xray_gate.backends.sandbox import syscalls
from xray_gate.backends.sandbox.kernel import syscall

_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOW, _REFUSE, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

# Later calls are answered as by an older kernel, which every library expects. So are those of
# x86_64's x32, whose numbers have bit 30 set.
_FIRST_UNKNOWN = 451

_SECCOMP_CALL = {"x86_64": 317, "aarch64": 277}
_AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SET_MODE_FILTER, _ALL_THREADS = 1, 1

_CLONE_THREAD = 0x00010000
# CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET.
_CLONE_NEW = 0x00000080 | 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x70000000
_OWN_DESCRIPTORS = (
    *(fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC, fcntl.F_GETFD, fcntl.F_SETFD),
    *(fcntl.F_GETFL, fcntl.F_SETFL),
)
# Names of threads, PR_GET_DUMPABLE and PR_SVE_GET_VL.
_HARMLESS_OPTIONS = (15, 16, 3, 51)
# TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX and FIOCLEX: files have requests that change them.
_OWN_REQUESTS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
_EVERY_BIT = 0xFFFFFFFF


@dataclass(frozen=True)
class Leave:
    """What a process may do beyond the least.

    `scratch`: change files, as all but its own are on read-only mounts. `cuda`: talk to GPUs.
    `truncate`: open files with O_TRUNC, as something else sees that they are its own.
    """

    scratch: bool = False
    cuda: bool = False
    truncate: bool = True


@dataclass(frozen=True)
class _Bound:
    """Lets a call through where `argument` & `mask` is one of `values`."""

    argument: int
    values: tuple[int, ...]
    mask: int = _EVERY_BIT


def restrict(leave: Leave) -> None:
    """Put all threads of this process under the filter, for good.

    Needs no_new_privs. Raises OSError where the kernel or the architecture cannot.
    """
    machine = platform.machine()
    if machine not in _SECCOMP_CALL:
        raise OSError(errno.ENOSYS, f"no list of system calls for {machine}")
    code = program(machine, os.getpid(), leave)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HP", len(code) // 8, ctypes.addressof(buffer))
    result = syscall(_SECCOMP_CALL[machine], _SET_MODE_FILTER, _ALL_THREADS, header)
    if result:
        raise OSError(errno.EBUSY, f"thread {result} could not be put under the filter")


def program(machine: str, pid: int, leave: Leave) -> bytes:
    """The filter for the process `pid` on x86_64 or aarch64: eight bytes an instruction."""
    column = ("x86_64", "aarch64").index(machine)
    allowed = dict(syscalls.ALLOWED)
    if leave.scratch:
        allowed |= syscalls.SCRATCH
    if leave.cuda:
        allowed |= syscalls.CUDA
    code = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_EQUAL, _AUDIT_ARCHITECTURE[machine], 1, 0),
        _instruction(_RETURN, _KILL_PROCESS),
        _instruction(_LOAD, _NUMBER),
        _instruction(_AT_LEAST, _FIRST_UNKNOWN, 0, 1),
        _instruction(_RETURN, _REFUSE | errno.ENOSYS),
    ]
    for name, bound in _bounds(pid, leave).items():
        allowed.pop(name, None)
        numbers = syscalls.BOUNDED.get(name) or syscalls.ALLOWED[name]
        code += _answer(numbers[column], _body(bound))
    for numbers in allowed.values():
        code += _answer(numbers[column], [_instruction(_RETURN, _ALLOW)])
    for numbers in syscalls.ABSENT.values():
        code += _answer(numbers[column], [_instruction(_RETURN, _REFUSE | errno.ENOSYS)])
    return b"".join([*code, _instruction(_RETURN, _REFUSE | errno.EPERM)])


def _bounds(pid: int, leave: Leave) -> dict[str, _Bound]:
    """The calls that are let through with some arguments only."""
    itself = _Bound(0, (pid,))
    bounds = {
        # Threads, and no processes.
        "clone": _Bound(0, (_CLONE_THREAD,), _CLONE_THREAD | _CLONE_NEW),
        # Not F_SETOWN and F_SETSIG, which send signals to others, nor leases.
        "fcntl": _Bound(1, _OWN_DESCRIPTORS),
        "prctl": _Bound(0, _HARMLESS_OPTIONS),
        "kill": itself,
        "tgkill": itself,
        # Limits and cores of others are ours to change as long as they run as the same user.
        "prlimit64": _Bound(0, (0, pid)),
        "sched_setaffinity": _Bound(0, (0,)),
    }
    if not leave.cuda:
        bounds["ioctl"] = _Bound(1, _OWN_REQUESTS)
    if not leave.truncate:
        bounds["open"] = _Bound(1, (0,), os.O_TRUNC)
        bounds["openat"] = _Bound(2, (0,), os.O_TRUNC)
    return bounds


def _body(bound: _Bound) -> list[bytes]:
    code = [
        _instruction(_LOAD, _ARGUMENTS + 8 * bound.argument),
        _instruction(_AND, bound.mask),
    ]
    for value in bound.values:
        code += [_instruction(_EQUAL, value, 0, 1), _instruction(_RETURN, _ALLOW)]
    return [*code, _instruction(_RETURN, _REFUSE | errno.EPERM)]


def _answer(number: int | None, body: list[bytes]) -> list[bytes]:
    """`body`, which must end the program, for the call `number`."""
    return [] if number is None else [_instruction(_EQUAL, number, 0, len(body)), *body]


def _instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, operand)
