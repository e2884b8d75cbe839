"""Reads the opcodes of a pickle and of their arguments as much as can matter.

Longer arguments are skipped, so memory does not follow what a file says. The table of opcodes is
the standard library's (`pickletools`).
"""

import pickletools
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

# Longer ones name nothing that is on a list.
_LONGEST_NAME = 200
_PIECE = 2**16
_OPCODES = {info.code.encode("latin-1"): info for info in pickletools.opcodes}
_WIDTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: (1, False),
    pickletools.TAKEN_FROM_ARGUMENT4: (4, True),
    pickletools.TAKEN_FROM_ARGUMENT4U: (4, False),
    pickletools.TAKEN_FROM_ARGUMENT8U: (8, False),
}


class Malformed(Exception):
    """No unpickler would get past this place."""


class Step(NamedTuple):
    """One opcode, its argument and where it stands in the file."""

    info: pickletools.OpcodeInfo
    argument: bytes
    at: int


def steps(file: BinaryIO, size: int) -> Iterator[Step]:
    """The opcodes from where `file`, of `size` bytes, stands; raises `Malformed` at their end."""
    at = file.tell()
    while code := file.read(1):
        info = _OPCODES.get(code)
        if info is None:
            raise Malformed("no opcode")
        yield Step(info, _argument(file, size, info), at)
        at = file.tell()
    raise Malformed("no STOP")


def text_of(argument: bytes) -> str | None:
    """The name that the bytes spell; None where they are none that an import could have."""
    if len(argument) > _LONGEST_NAME:
        return None
    try:
        return argument.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def key_of(opcode: str, argument: bytes) -> int:
    """The place in the memo that an opcode names."""
    if "BIN" in opcode:
        return int.from_bytes(argument, "little")
    try:
        return int(argument)
    except ValueError as error:
        raise Malformed("no number") from error


def _argument(file: BinaryIO, size: int, info: pickletools.OpcodeInfo) -> bytes:
    if info.arg is None:
        return b""
    width = info.arg.n
    if width >= 0:
        return _exactly(file, width)
    if width == pickletools.UP_TO_NEWLINE:
        first = _line(file)
        return first + b"\n" + _line(file) if info.name in ("GLOBAL", "INST") else first
    digits, signed = _WIDTHS[width]
    length = int.from_bytes(_exactly(file, digits), "little", signed=signed)
    if not 0 <= length <= size - file.tell():
        raise Malformed("a length beyond the end")
    if length <= _LONGEST_NAME:
        return _exactly(file, length)
    file.seek(length, 1)
    return bytes(_LONGEST_NAME + 1)


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise Malformed("cut off")
    return data


def _line(file: BinaryIO) -> bytes:
    """A line without its end; of a long one the first part only."""
    first = part = file.readline(_PIECE)
    while not part.endswith(b"\n"):
        part = file.readline(_PIECE)
        if not part:
            raise Malformed("cut off")
    return first.removesuffix(b"\n")
