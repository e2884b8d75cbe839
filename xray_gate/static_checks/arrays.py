"""NumPy's and safetensors's files: numbers behind a header."""

import math
import re
from typing import Any

from xray_gate.static_checks.item import Item
from xray_gate.static_checks.json_files import parse_json
from xray_gate.static_checks.looking import Looking, refusal, shown

NUMPY = b"\x93NUMPY"
_LONGEST_HEADER = 10_000
# What numpy.save writes for an array of numbers or texts, or of rows of such.
_TYPE = rb"'[<>|=]?[?biufcSUVO][0-9]{0,8}'"
_HEADER = re.compile(
    rb"\{'descr': (%(type)b|\[(?:\('\w{0,50}', %(type)b\)(?:, )?){1,100}\]), "
    rb"'fortran_order': (?:True|False), "
    rb"'shape': \(((?:[0-9]{1,18}, ?)*(?:[0-9]{1,18})?)\),? *\} *\n" % {b"type": _TYPE}
)
_COLUMN = re.compile(rb"(?:\A|', )'[<>|=]?([?biufcSUVO])([0-9]{0,8})'(?=\)|\Z)")
_LARGEST_HEADER = 4 * 2**20
_MOST_AXES = 64
_WIDTHS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}
_STEP = "save the arrays again, as numbers"


def check_numpy(item: Item, looking: Looking) -> None:
    """Refuse an array of objects, which are pickles, and one that is not as long as it says."""
    start = item.at(0, 12)
    if start[6:7] not in (b"\x01", b"\x02", b"\x03") or len(start) < 12:
        raise refusal(item.place, "is an array of an unknown version", _STEP)
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(start[8 : 8 + width], "little")
    if length > _LONGEST_HEADER:
        raise refusal(item.place, f"has a header of {length} bytes, which is absurd", _STEP)
    header = _HEADER.fullmatch(item.at(8 + width, length))
    if header is None:
        looking.unchecked(item.place, "is an array of something else than numbers", _STEP)
        return
    columns = _COLUMN.findall(header[1])
    if any(kind == b"O" for kind, _ in columns):
        looking.unchecked(item.place, "is an array of objects, which are pickles", _STEP)
        return
    each = sum(int(digits or b"1") * (4 if kind == b"U" else 1) for kind, digits in columns)
    shape = header[2]
    size = each * math.prod(int(part) for part in shape.split(b",") if part.strip())
    if 8 + width + length + size != item.size:
        raise refusal(item.place, "is not as long as its header says", _STEP)


def check_safetensors(item: Item) -> None:
    """Refuse a header that is larger than the file, or tensors that overlap or lie outside."""
    length = int.from_bytes(item.at(0, 8), "little")
    if not 2 <= length <= min(_LARGEST_HEADER, item.size - 8):
        raise refusal(
            item.place,
            f"says that its header has {length} bytes, which is more than there can be",
            _STEP,
        )
    header = parse_json(item.place, item.at(8, length))
    if not isinstance(header, dict):
        raise refusal(item.place, "has a header that is no object", _STEP)
    header.pop("__metadata__", None)
    ranges = sorted(_range(item, name, tensor) for name, tensor in header.items())
    position = 0
    for start, end in ranges:
        if start != position:
            raise refusal(item.place, "has tensors that overlap or leave gaps", _STEP)
        position = end
    if 8 + length + position != item.size:
        raise refusal(item.place, "is not as long as its header says", _STEP)


def _range(item: Item, name: str, tensor: Any) -> tuple[int, int]:
    fields = tensor if isinstance(tensor, dict) else {}
    width = _WIDTHS.get(str(fields.get("dtype")))
    shape, offsets = _numbers(fields.get("shape")), _numbers(fields.get("data_offsets"))
    if width is None or shape is None or offsets is None or len(offsets) != 2:
        raise refusal(item.place, f"describes the tensor {shown(name)} in an unknown way", _STEP)
    if len(shape) > _MOST_AXES or offsets[1] - offsets[0] != width * math.prod(shape):
        raise refusal(item.place, f"gives the tensor {shown(name)} another size than shape", _STEP)
    return offsets[0], offsets[1]


def _numbers(value: Any) -> list[int] | None:
    plain = isinstance(value, list) and all(type(n) is int and 0 <= n < 2**48 for n in value)
    return value if plain else None
