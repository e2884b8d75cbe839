"""The entries of a zip archive, where all parsers of such archives see the same ones.

Written after the application note of PKWARE (APPNOTE 6.3.10, sections 4.3 to 4.5). Archives that
leave a choice are refused: bytes before, between or behind the entries, names or sizes that differ
between the directory and an entry, entries twice.
"""

import struct
from dataclasses import dataclass

from xray_gate.core.errors import ScanError
from xray_gate.static_checks.item import Item
from xray_gate.static_checks.looking import Looking, refusal, shown
from xray_gate.static_checks.zip_names import check_name, check_names

STORED, DEFLATED = 0, 8
LOCAL = b"PK\x03\x04"
_DIRECTORY = b"PK\x01\x02"
_END = b"PK\x05\x06"
_END_64 = b"PK\x06\x06"
_LOCATOR_64 = b"PK\x06\x07"
_DESCRIPTOR = b"PK\x07\x08"
_END_STRUCT = struct.Struct("<4s4H2LH")
_END_64_STRUCT = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_STRUCT = struct.Struct("<4sLQL")
_ENTRY_STRUCT = struct.Struct("<4s6H3L5H2L")
_LOCAL_STRUCT = struct.Struct("<4s5H3L2H")
_LARGEST_DIRECTORY = 16 * 2**20
_LONGEST_COMMENT = 2**16
_ENCRYPTED, _DESCRIBED, _STRONGLY, _MASKED = 1, 8, 64, 8192
# Another name in Unicode, and encryption by AES.
_FORBIDDEN_EXTRAS = {0x7075: "a second name", 0x9901: "encryption"}
_STEP = "save the model again"


@dataclass(frozen=True)
class Entry:
    """One file of an archive; `start` is where its packed bytes begin."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    start: int


@dataclass(frozen=True)
class _Listed:
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int


def has_directory(item: Item) -> bool:
    """Whether a parser that looks for an archive from the end would find one here."""
    tail = item.at(item.size - _END_STRUCT.size - _LONGEST_COMMENT, _LONGEST_COMMENT + 22)
    at = tail.rfind(_END)
    while at >= 0:
        if len(tail) - at >= _END_STRUCT.size:
            fields = _END_STRUCT.unpack_from(tail, at)
            end = item.size - len(tail) + at
            size = fields[5]
            if size == 0xFFFFFFFF or (
                size <= end and (size == 0 or item.at(end - size, 4) == _DIRECTORY)
            ):
                return True
        at = tail.rfind(_END, 0, at)
    return False


def entries_of(item: Item, looking: Looking) -> list[Entry]:
    """The archive's files in their order; raises `ScanError` where it is not strictly one."""
    place = item.place
    if item.at(0, 4) != LOCAL or item.at(item.size - _END_STRUCT.size, 4) != _END:
        raise refusal(
            place,
            "is an archive with bytes before or behind it, so that it could be another kind of "
            "file as well",
            _STEP,
        )
    count, size, offset, end = _directory(item)
    if size > _LARGEST_DIRECTORY or offset + size != end:
        raise _odd(place, "its directory does not lie where its end says")
    looking.spend_entries(place, count)
    listed = _listed(place, item.at(offset, size), count)
    found: list[Entry] = []
    position = 0
    for entry in sorted(listed, key=lambda one: one.offset):
        if entry.offset != position:
            raise _odd(place, "entries overlap, or there are bytes that belong to none")
        read, position = _local(item, entry)
        found.append(read)
    if position != offset:
        raise _odd(place, "entries overlap, or there are bytes that belong to none")
    names = [entry.name for entry in found]
    check_names(place, names)
    return [entry for entry in found if not entry.name.endswith("/")]


def _directory(item: Item) -> tuple[int, int, int, int]:
    """Number of entries, size and offset of the directory, and where it must end."""
    end = item.size - _END_STRUCT.size
    _, disk, first, here, count, size, offset, comment = _END_STRUCT.unpack(item.at(end, 22))
    if comment or disk or first or here != count:
        raise _odd(item.place, "it has a comment, or is one of several parts")
    locator = item.at(end - _LOCATOR_STRUCT.size, _LOCATOR_STRUCT.size)
    if not locator.startswith(_LOCATOR_64) or end < _LOCATOR_STRUCT.size:
        return count, size, offset, end
    at = _LOCATOR_STRUCT.unpack(locator)[2]
    if at != end - _LOCATOR_STRUCT.size - _END_64_STRUCT.size:
        raise _odd(item.place, "its 64-bit end does not lie where it says")
    record = _END_64_STRUCT.unpack(item.at(at, _END_64_STRUCT.size))
    signature, length, _, _, disk, first, here, count_64, size_64, offset_64 = record
    if signature != _END_64 or length != _END_64_STRUCT.size - 12 or disk or first:
        raise _odd(item.place, "its 64-bit end is malformed")
    # What the short end says has to be the same, or to point here.
    pairs = ((count, count_64, 0xFFFF), (size, size_64, 2**32 - 1), (offset, offset_64, 2**32 - 1))
    if here != count_64 or any(short not in (long, mark) for short, long, mark in pairs):
        raise _odd(item.place, "its two ends contradict each other")
    return count_64, size_64, offset_64, at


def _listed(place: str, data: bytes, count: int) -> list[_Listed]:
    found: list[_Listed] = []
    position = 0
    while position < len(data):
        if len(data) - position < _ENTRY_STRUCT.size or len(found) > count:
            raise _odd(place, "its directory is malformed")
        fields = _ENTRY_STRUCT.unpack_from(data, position)
        signature, made, _, flags, method, _, _, crc, packed, size = fields[:10]
        name_length, extra_length, comment_length, _, _, outer, offset = fields[10:]
        position += _ENTRY_STRUCT.size
        name = data[position : position + name_length]
        extra = data[position + name_length : position + name_length + extra_length]
        position += name_length + extra_length + comment_length
        if signature != _DIRECTORY or position > len(data) or comment_length:
            raise _odd(place, "its directory is malformed")
        packed, size, offset = _long(place, extra, size, packed, offset)
        mode = outer >> 16 if made >> 8 == 3 else 0
        found.append(_Listed(name, flags, method, crc, packed, size, offset, mode))
    if len(found) != count:
        raise _odd(place, "its directory holds another number of entries than its end says")
    return found


def _long(place: str, extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Packed size, size and offset, with those of 64 bits where the extra field holds them."""
    rest = _extras(place, extra).get(1, b"")
    values = []
    for value in (size, packed, offset):
        if value == 0xFFFFFFFF:
            if len(rest) < 8:
                raise _odd(place, "a 64-bit size is missing")
            value, rest = int.from_bytes(rest[:8], "little"), rest[8:]
        values.append(value)
    return values[1], values[0], values[2]


def _extras(place: str, data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    position = 0
    while len(data) - position >= 4:
        kind, length = struct.unpack_from("<2H", data, position)
        position += 4 + length
        if position > len(data) or kind in found:
            raise _odd(place, "an extra field is malformed")
        if kind in _FORBIDDEN_EXTRAS:
            raise _odd(place, f"an extra field holds {_FORBIDDEN_EXTRAS[kind]}")
        found[kind] = data[position - length : position]
    return found


def _local(item: Item, listed: _Listed) -> tuple[Entry, int]:
    """The entry, and where the next one must begin."""
    name = check_name(item.place, listed.raw_name, listed.flags, listed.mode)
    place = f"{item.place} > {shown(name)}"
    header = item.at(listed.offset, _LOCAL_STRUCT.size)
    if len(header) < _LOCAL_STRUCT.size or not header.startswith(LOCAL):
        raise _odd(place, "there is no entry where the directory says")
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL_STRUCT.unpack(
        header
    )
    rest = item.at(listed.offset + _LOCAL_STRUCT.size, name_length + extra_length)
    extras = _extras(place, rest[name_length:])
    if (listed.flags | flags) & (_ENCRYPTED | _STRONGLY | _MASKED):
        raise refusal(place, "is encrypted", "save the model without encryption")
    if method not in (STORED, DEFLATED):
        raise refusal(place, f"is compressed in a way that is not looked into ({method})", _STEP)
    start = listed.offset + _LOCAL_STRUCT.size + name_length + extra_length
    described = flags & _DESCRIBED
    if 1 in extras and 0xFFFFFFFF in (size, packed):
        size, packed = _local_long(place, extras[1], size, packed)
    facts = (crc, packed, size)
    wanted = (listed.crc, listed.packed, listed.size)
    same = facts == wanted or (described and facts in ((0, 0, 0), wanted))
    if (
        rest[:name_length] != listed.raw_name
        or method != listed.method
        or flags != listed.flags
        or not same
        or (method == STORED and listed.packed != listed.size)
    ):
        raise _odd(place, "the directory and the entry say different things")
    end = start + listed.packed
    return (
        Entry(name, method, listed.crc, listed.packed, listed.size, start),
        end + (_descriptor(item, end, wanted) if described else 0),
    )


def _local_long(place: str, data: bytes, size: int, packed: int) -> tuple[int, int]:
    if len(data) < 16:
        raise _odd(place, "a 64-bit size is missing")
    long_size, long_packed = struct.unpack_from("<2Q", data)
    return (
        long_size if size == 0xFFFFFFFF else size,
        long_packed if packed == 0xFFFFFFFF else packed,
    )


def _descriptor(item: Item, at: int, wanted: tuple[int, int, int]) -> int:
    """The length of what repeats the sizes behind an entry."""
    for layout in ("<3L", "<L2Q"):
        try:
            body = struct.pack(layout, *wanted)
        except struct.error:
            continue
        for whole in (_DESCRIPTOR + body, body):
            if item.at(at, len(whole)) == whole:
                return len(whole)
    raise _odd(item.place, "an entry's sizes are not repeated behind it")


def _odd(place: str, what: str) -> ScanError:
    return refusal(place, f"is an archive that parsers may read in different ways: {what}", _STEP)
