"""Tensors and shapes in ONNX files (`onnx.proto`: TensorProto, TypeProto)."""

import math
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from xray_gate.core.errors import ScanError
from xray_gate.static_checks.looking import refusal, shown
from xray_gate.static_checks.onnx.wire import MOST_AXES, Field, Span, Wire

_DIMS, _TYPE, _NAME, _RAW, _EXTERNAL, _LOCATION = 1, 2, 8, 9, 13, 14
_STRINGS = 6
# Data by their types: what one entry takes at the least, so that a number of bytes bounds a number
# of entries.
_TYPED = frozenset({4, 5, 7, 10, 11})
_OF_STRINGS = 8
_BITS = {
    **dict.fromkeys((1, 6, 12), 32),
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8),
    **dict.fromkeys((4, 5, 10, 16), 16),
    **dict.fromkeys((7, 11, 13, 14), 64),
    **dict.fromkeys((21, 22, 23), 4),
    **dict.fromkeys((25, 26), 2),
    15: 128,
}
_ONCE = frozenset({_TYPE, _NAME, _RAW, _LOCATION, 3})
_LARGEST_DIMENSION = 2**40
_MOST_VALUES = 2**36
_MOST_TYPES = 8
_MOST_ENTRIES = 16
_STEP = "export the model again"


@dataclass
class _Tensor:
    """What a TensorProto says of itself; `lengths` of its data in bytes, by their fields."""

    name: str = ""
    kind: int = 0
    dims: list[int] = field(default_factory=list)
    strings: int = 0
    outside: bool = False
    external: dict[str, str] = field(default_factory=dict)
    lengths: dict[int, int] = field(default_factory=dict)


def check_tensor(wire: Wire, message: Span) -> str | None:
    """Refuse a tensor whose shape and data do not fit; the file that holds its data, if another."""
    tensor = _Tensor()
    for part in wire.fields(message, _ONCE):
        _add(wire, tensor, part)
    name = shown(tensor.name)
    values = _values(wire, f"the tensor {name}", tensor.dims)
    if tensor.kind == _OF_STRINGS and not tensor.outside:
        _require_length(wire, name, values, tensor.strings)
        return None
    bits = _BITS.get(tensor.kind)
    if bits is None:
        raise wire.broken(f"the tensor {name} is of an unknown type ({tensor.kind})")
    size = math.ceil(values * bits / 8)
    if tensor.outside:
        return _external(wire, name, tensor.external, size)
    if _RAW in tensor.lengths:
        _require_length(wire, name, size, tensor.lengths[_RAW])
    elif values * min(bits, 8) > 8 * sum(tensor.lengths.values()):
        raise _unfit(wire, name, values, "numbers")
    return None


def _add(wire: Wire, tensor: _Tensor, part: Field) -> None:
    length = part.span.end - part.span.start
    if part.number == _DIMS:
        tensor.dims = (tensor.dims + wire.numbers(part))[: MOST_AXES + 1]
    elif part.number == _TYPE:
        tensor.kind = part.value
    elif part.number == _LOCATION:
        tensor.outside |= part.value != 0
    elif part.number == _NAME:
        tensor.name = wire.text(part)
    elif part.number == _EXTERNAL:
        tensor.outside = True
        _add_entry(wire, part, tensor.external)
    elif part.number == _STRINGS:
        tensor.strings += 1
    elif part.number == _RAW or part.number in _TYPED:
        tensor.lengths[part.number] = tensor.lengths.get(part.number, 0) + length


def check_value(wire: Wire, message: Span) -> None:
    """Refuse a value that declares an absurd shape (ValueInfoProto)."""
    for part in wire.fields(message, frozenset({2})):
        if part.number == 2:
            check_type(wire, part.span, _MOST_TYPES)


def check_type(wire: Wire, message: Span, depth: int) -> None:
    """Refuse an absurd shape in a type, or types that are nested more than eight times."""
    if depth == 0:
        raise wire.refused("has types that are nested too deeply")
    for part in wire.fields(message):
        # A tensor and a sparse one have a shape; sequences, maps and optionals hold a type.
        if part.number in (1, 8):
            for inner in wire.fields(part.span):
                if inner.number == 2:
                    _check_shape(wire, inner.span)
        elif part.number in (4, 5, 9):
            for inner in wire.fields(part.span):
                if inner.number in (1, 2) and inner.wire == 2:
                    check_type(wire, inner.span, depth - 1)


def _check_shape(wire: Wire, message: Span) -> None:
    dims = []
    for part in wire.fields(message):
        if part.number == 1:
            dims += [one.value for one in wire.fields(part.span) if one.number == 1]
            dims = dims[: MOST_AXES + 1]
    # Free axes are written as 0 and as -1, too.
    _values(wire, "a value", [dim if dim < 2**63 else 0 for dim in dims if dim])


def _values(wire: Wire, what: str, dims: list[int]) -> int:
    if len(dims) > MOST_AXES:
        raise wire.refused(f"{what} has an absurd number of axes")
    if any(dim > _LARGEST_DIMENSION for dim in dims) or math.prod(dims) > _MOST_VALUES:
        raise wire.refused(f"{what} has an absurd shape ({shown(str(dims))})")
    return math.prod(dims)


def _add_entry(wire: Wire, entry: Field, entries: dict[str, str]) -> None:
    """One StringStringEntryProto."""
    parts = {part.number: wire.text(part) for part in wire.fields(entry.span, frozenset({1, 2}))}
    key = parts.get(1, "")
    if key in entries or len(entries) >= _MOST_ENTRIES:
        raise wire.refused("says twice where the data of a tensor are")
    entries[key] = parts.get(2, "")


def _external(wire: Wire, name: str, entries: dict[str, str], size: int) -> str:
    """The path in the folder of the file that holds the data."""
    location = entries.get("location", "")
    path = PurePosixPath(location)
    if not location or path.is_absolute() or ".." in path.parts or "\\" in location:
        raise _outside(wire, name, location, "leads out of the model's folder")
    found = (PurePosixPath(wire.item.name).parent / path).as_posix()
    there = wire.item.siblings.get(found)
    if there is None or found == wire.item.name:
        raise _outside(wire, name, location, "is no file of the model")
    offset = _whole(wire, entries.get("offset", "0"))
    length = _whole(wire, entries.get("length", str(size)))
    if length != size or offset + length > there:
        raise _unfit(wire, name, size, f"bytes of {shown(location)}")
    return found


def _whole(wire: Wire, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise wire.refused(f"{shown(text)} is no place in a file")
    return int(text)


def _outside(wire: Wire, name: str, location: str, why: str) -> ScanError:
    return refusal(
        wire.item.place,
        f"the tensor {name} has its data in {shown(location)}, which {why}",
        "give the folder that holds both, or save the model in one file",
    )


def _require_length(wire: Wire, name: str, wanted: int, there: int) -> None:
    if wanted != there:
        raise _unfit(wire, name, wanted, f"bytes or texts, and has {there}")


def _unfit(wire: Wire, name: str, wanted: int, what: str) -> ScanError:
    return refusal(
        wire.item.place,
        f"the tensor {name} is not what its shape says, {wanted} {what}",
        _STEP,
    )
