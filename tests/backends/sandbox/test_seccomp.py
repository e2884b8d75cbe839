"""The filter's program, run by an interpreter of its own over every architecture."""

import errno
import os
import struct

import pytest

from xray_gate.backends.sandbox import syscalls
from xray_gate.backends.sandbox.seccomp import Leave, program

PID = 4242
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL = "allow", "kill"

# Numbers that the lists do not have, from the kernel's own tables: x86_64, aarch64.
FORBIDDEN = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "mount": (165, 40),
    "unshare": (272, 97),
    "setns": (308, 268),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "setuid": (105, 146),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "shmget": (29, 194),
    "rt_sigqueueinfo": (129, 138),
    "pidfd_send_signal": (424, 424),
    "landlock_create_ruleset": (444, 444),
}

TABLES = {
    **syscalls.ALLOWED,
    **syscalls.BOUNDED,
    **syscalls.SCRATCH,
    **syscalls.CUDA,
    **syscalls.ABSENT,
    **FORBIDDEN,
}


def answer(
    name_or_number: str | int,
    *arguments: int,
    machine: str = "x86_64",
    of: int | None = None,
    leave: Leave | None = None,
) -> str | int:
    """What the filter says to a call: "allow", "kill", or the error's number."""
    column = list(MACHINES).index(machine)
    number = name_or_number
    if isinstance(number, str):
        found = TABLES[number][column]
        assert found is not None
        number = found
    values = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("iIQ6Q", number, MACHINES[machine] if of is None else of, 0, *values)
    return run(program(machine, PID, leave or Leave()), data)


def run(code: bytes, data: bytes) -> str | int:
    """Classic BPF, as far as the filter uses it; what it does not know fails the test."""
    instructions = list(struct.iter_unpack("HBBI", code))
    accumulator, at = 0, 0
    while True:
        operation, if_true, if_false, operand = instructions[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("I", data, operand)
        elif operation == 0x54:
            accumulator &= operand
        elif operation in (0x15, 0x35):
            held = accumulator == operand if operation == 0x15 else accumulator >= operand
            at += if_true if held else if_false
        else:
            assert operation == 0x06
            if operand in (0x7FFF0000, 0x80000000):
                return ALLOW if operand == 0x7FFF0000 else KILL
            return int(operand & 0xFFFF)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_on_no_list_is_refused(machine: str) -> None:
    for name in FORBIDDEN:
        assert answer(name, machine=machine) == errno.EPERM, name


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_on_the_list_is_let_through(machine: str) -> None:
    for name in ("read", "write", "mmap", "futex", "openat", "exit_group"):
        assert answer(name, machine=machine) == ALLOW, name


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        # A thread as the C library starts it, a fork, and a thread in a mount namespace.
        ("clone", (0x3D0F00,), ALLOW),
        ("clone", (17,), errno.EPERM),
        ("clone", (0x10000 | 0x20000,), errno.EPERM),
        ("kill", (PID, 6), ALLOW),
        ("kill", (1, 9), errno.EPERM),
        ("kill", (2**64 - 1, 9), errno.EPERM),
        ("tgkill", (PID, 7, 6), ALLOW),
        ("tgkill", (PID + 1, 7, 6), errno.EPERM),
        ("prlimit64", (0, 1), ALLOW),
        ("prlimit64", (1, 1), errno.EPERM),
        ("sched_setaffinity", (0,), ALLOW),
        ("sched_setaffinity", (1,), errno.EPERM),
        ("fcntl", (0, 1), ALLOW),
        ("fcntl", (0, 8), errno.EPERM),
        ("prctl", (15,), ALLOW),
        ("prctl", (1,), errno.EPERM),
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x40086602), errno.EPERM),
    ],
)
def test_arguments_are_looked_at(
    call: str, arguments: tuple[int, ...], expected: str | int, machine: str
) -> None:
    assert answer(call, *arguments, machine=machine) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_with_a_substitute_and_later_ones_look_missing(machine: str) -> None:
    for call in ("clone3", "openat2", 451, 2000, 0x40000000 | 39):
        assert answer(call, machine=machine) == errno.ENOSYS


def test_another_architecture_ends_the_process() -> None:
    assert answer("read", of=0x40000003) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_each_leave_adds_its_own_calls(machine: str) -> None:
    for call in ("mkdirat", "unlinkat", "ftruncate"):
        assert answer(call, machine=machine) == errno.EPERM
        assert answer(call, machine=machine, leave=Leave(scratch=True)) == ALLOW
    for call, arguments in (("memfd_create", ()), ("ioctl", (0, 0xC020462A))):
        assert answer(call, *arguments, machine=machine) == errno.EPERM
        assert answer(call, *arguments, machine=machine, leave=Leave(cuda=True)) == ALLOW


def test_where_nothing_else_guards_files_they_are_not_opened_to_be_emptied() -> None:
    unguarded = Leave(truncate=False)
    assert answer("openat", 0, 0, os.O_RDONLY, leave=unguarded) == ALLOW
    assert answer("openat", 0, 0, os.O_TRUNC, leave=unguarded) == errno.EPERM
    assert answer("open", 0, os.O_TRUNC, leave=unguarded) == errno.EPERM
    assert answer("openat", 0, 0, os.O_TRUNC) == ALLOW
