"""Brings packed content into a temporary file, within bounds."""

import bz2
import lzma
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol, cast

from xray_gate.core.errors import ScanError
from xray_gate.static_checks.item import Item
from xray_gate.static_checks.looking import Looking, refusal
from xray_gate.static_checks.zip_layout import STORED, Entry

_IN_MEMORY = 32 * 2**20
_PIECE = 2**18
# Of what compresses well in an honest file little is ever larger.
_HARMLESS = 64 * 2**20
_HIGHEST_RATIO = 100
_LZMA_MEMORY = 2**28
_STEP = "save the model again, without compression"


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Zlib:
    """zlib's object in the form of the others', which keep what they have not read yet."""

    def __init__(self, bits: int) -> None:
        self._unpacker = zlib.decompressobj(bits)

    @property
    def eof(self) -> bool:
        return self._unpacker.eof

    @property
    def unused_data(self) -> bytes:
        return self._unpacker.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._unpacker.decompress(self._unpacker.unconsumed_tail + data, max_length)


@contextmanager
def unpacked_entry(item: Item, entry: Entry, looking: Looking) -> Iterator[BinaryIO]:
    """The content of an archive's entry, whose size and checksum are as they must be."""
    with _temporary() as file:
        checksum = size = 0
        for piece in _pieces(item, entry, looking):
            checksum = zlib.crc32(piece, checksum)
            size += len(piece)
            file.write(piece)
        if (checksum, size) != (entry.crc, entry.size):
            raise refusal(
                item.place,
                "holds an entry whose checksum is wrong, so that parsers that do not look read "
                "something else than those that do",
                _STEP,
            )
        yield file


@contextmanager
def unpacked_stream(item: Item, kind: str, looking: Looking) -> Iterator[tuple[BinaryIO, int]]:
    """The content of a compressed file, and its size."""
    with _temporary() as file:
        size = 0
        for piece in _unpacked(item, 0, item.size, _unpacker(kind), looking):
            size += len(piece)
            file.write(piece)
        yield file, size


def is_stream(item: Item, kind: str) -> bool:
    """Whether the first bytes can be unpacked as `kind`."""
    try:
        unpacker = _unpacker(kind)
        return bool(unpacker.decompress(item.at(0, 4096), 4096)) or unpacker.eof
    except (zlib.error, lzma.LZMAError, OSError, ValueError):
        return False


@contextmanager
def _temporary() -> Iterator[BinaryIO]:
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, prefix="xray-gate-") as file:
        yield cast(BinaryIO, file)


def _pieces(item: Item, entry: Entry, looking: Looking) -> Iterator[bytes]:
    if entry.method == STORED:
        for start in range(0, entry.size, _PIECE):
            piece = item.at(entry.start + start, min(_PIECE, entry.size - start))
            looking.spend_bytes(item.place, len(piece))
            yield piece
        return
    if entry.size > max(_HARMLESS, _HIGHEST_RATIO * entry.packed):
        raise _bomb(item.place)
    yield from _unpacked(item, entry.start, entry.packed, _Zlib(-zlib.MAX_WBITS), looking)


def _unpacked(
    item: Item, start: int, packed: int, unpacker: _Unpacker, looking: Looking
) -> Iterator[bytes]:
    """What `packed` bytes from `start` on hold, which has to end exactly there."""
    read = written = 0
    try:
        while not unpacker.eof:
            piece = unpacker.decompress(b"", _PIECE) if read else b""
            if not piece and not unpacker.eof:
                data = item.at(start + read, min(_PIECE, packed - read))
                read += len(data)
                piece = unpacker.decompress(data, _PIECE)
                if not data and not piece:
                    raise EOFError("cut off")
            written += len(piece)
            looking.spend_bytes(item.place, len(piece))
            if written > max(_HARMLESS, _HIGHEST_RATIO * read):
                raise _bomb(item.place)
            yield piece
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise refusal(item.place, "holds compressed data that are broken", _STEP) from error
    if read < packed or unpacker.unused_data:
        raise refusal(item.place, "holds bytes behind its compressed data", _STEP)


def _unpacker(kind: str) -> _Unpacker:
    if kind == "zlib":
        return _Zlib(zlib.MAX_WBITS)
    if kind == "gzip":
        return _Zlib(16 + zlib.MAX_WBITS)
    if kind == "bzip2":
        return cast(_Unpacker, bz2.BZ2Decompressor())
    return cast(_Unpacker, lzma.LZMADecompressor(memlimit=_LZMA_MEMORY))


def _bomb(place: str) -> ScanError:
    return refusal(
        place,
        f"unpacks to more than {_HIGHEST_RATIO} times its size, as bombs do",
        _STEP,
    )
