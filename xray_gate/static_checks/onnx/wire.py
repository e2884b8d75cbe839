"""The wire format of protocol buffers, walked within bounds.

Only the heads of fields are read: a file of any size takes the same memory, and no message is
built. Source: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator
from typing import NamedTuple

from xray_gate.core.errors import InputError, ScanError
from xray_gate.static_checks.item import Item
from xray_gate.static_checks.looking import Looking, refusal

_WINDOW = 2**16
_LONGEST_VARINT = 10
_LONGEST_TEXT = 1000
MOST_AXES = 64
VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
_STEP = "export the model again"


class Span(NamedTuple):
    """A message: its bytes from `start` to `end`."""

    start: int
    end: int


class Field(NamedTuple):
    """One field: `value` of a varint, `span` of everything else."""

    number: int
    wire: int
    value: int
    span: Span


class Wire:
    """Reads the messages of one file."""

    def __init__(self, item: Item, looking: Looking) -> None:
        self.item = item
        self._looking = looking
        self._window = b""
        self._from = 0

    def fields(self, message: Span, once: frozenset[int] = frozenset()) -> Iterator[Field]:
        """The fields of a message in their order.

        Raises `InputError` where it is malformed, and `ScanError` where a field of `once` stands
        twice, which parsers merge or replace.
        """
        seen: set[int] = set()
        position, end = message
        while position < end:
            self._looking.spend_fields(self.item.place, 1)
            tag, position = self._varint(position, end)
            field, position = self._field(tag, position, end)
            if field.number in once and field.number in seen:
                raise self.refused("a field stands twice, which parsers read differently")
            seen.add(field.number)
            yield field

    def text(self, field: Field) -> str:
        """A text of at most 1000 bytes."""
        start, end = field.span
        if field.wire != BYTES or end - start > _LONGEST_TEXT:
            raise self.broken("a name is no text, or longer than 1000 bytes")
        return self._bytes(start, end - start).decode("utf-8", "replace")

    def numbers(self, field: Field) -> list[int]:
        """The integers of one occurrence of a repeated field, packed or not."""
        if field.wire == VARINT:
            return [field.value]
        found = []
        position, end = field.span
        while position < end:
            value, position = self._varint(position, end)
            found.append(value)
            if len(found) > MOST_AXES:
                raise self.refused("has a tensor with an absurd number of axes")
        return found

    def refused(self, what: str) -> ScanError:
        """The error for a model that must not be loaded."""
        return refusal(self.item.place, what, _STEP)

    def broken(self, what: str) -> InputError:
        """The error for a file that is no ONNX model."""
        return InputError(
            f"{self.item.place}: the model cannot be loaded, as it is no ONNX file ({what}); "
            f"{_STEP}"
        )

    def _field(self, tag: int, position: int, end: int) -> tuple[Field, int]:
        number, wire = tag >> 3, tag & 7
        value = 0
        start = position
        if wire == VARINT:
            value, position = self._varint(position, end)
        elif wire == FIXED_64:
            position += 8
        elif wire == FIXED_32:
            position += 4
        elif wire == BYTES:
            length, start = self._varint(position, end)
            position = start + length
        else:
            raise self.broken(f"there is no wire type {wire}")
        if position > end or number == 0:
            raise self.broken("a field is longer than what holds it")
        return Field(number, wire, value, Span(start, position)), position

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        data = self._bytes(position, min(_LONGEST_VARINT, end - position))
        value = 0
        for count, byte in enumerate(data):
            value |= (byte & 0x7F) << (7 * count)
            if byte < 0x80:
                return value & (2**64 - 1), position + count + 1
        raise self.broken("a number is cut off")

    def _bytes(self, start: int, count: int) -> bytes:
        if not self._from <= start <= start + count <= self._from + len(self._window):
            self._window = self.item.at(start, max(_WINDOW, count))
            self._from = start
        return self._window[start - self._from : start - self._from + count]
