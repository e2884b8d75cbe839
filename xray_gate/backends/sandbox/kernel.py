"""System calls that Python has no function for."""

import ctypes
import os


def prctl(option: int, argument: int = 0) -> None:
    """Set an attribute of this process or thread; OSError when the kernel refuses."""
    _check(_libc().prctl(option, *(ctypes.c_ulong(value) for value in (argument, 0, 0, 0))))


def syscall(number: int, *arguments: object) -> int:
    """Make the system call with pointers or integers; OSError when the kernel refuses."""
    values = (ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)
    result = _libc().syscall(ctypes.c_long(number), *values)
    return _check(result)


def _libc() -> ctypes.CDLL:
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    return library


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
