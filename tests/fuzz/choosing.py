"""Mutations that keep the outer shell of a format whole, whoever chooses: a fuzzer or a test.

`choose(n)` gives a whole number from 0 up to n - 1.
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

Choose = Callable[[int], int]

# What readers stumble over: ends of ranges, numbers beyond a float, texts that are none.
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 255, 2**31, 2**53 + 1, 2**63, -(2**64), 10**400, 16**5000),
    *(0.0, -0.0, 0.5, 1.0000001, 1e-320, 1e308, float("inf"), float("-inf"), float("nan")),
    *(
        "",
        " ",
        "\0",
        "\n",
        "\x1b[31m",
        "\ud800",
        "\u202e",
        "..",
        "/",
        "null",
        "nan",
        "1",
        "x" * 300,
    ),
    *([], {}, [[]], {"": ""}, [0, 1, 2], {"0": 0}, [None] * 70),
)
_DEEP = (1, 3, 50, 300)
_MOST_PLACES = 2000
_MOST_UNPACKED = 2**20

Path = tuple[Any, ...]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The way to every part of a tree of lists and dicts, the root's first."""
    yield path
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield from places(item, (*path, key))


def part(value: Any, path: Path) -> Any:
    """What lies at the end of `path`."""
    for key in path:
        value = value[key]
    return value


def changed_tree(tree: Any, choose: Choose, words: Sequence[Any] = ()) -> Any:
    """A copy of a tree of JSON values with one part changed, taken away, doubled or moved."""
    copy = _copied(tree)
    found = [path for path, _ in zip(places(copy), range(_MOST_PLACES), strict=False)]
    path = found[choose(len(found))]
    odd = (*ODD_VALUES, *words)
    new = odd[choose(len(odd))]
    what = choose(8)
    if what == 0:
        # Something else of the same tree.
        new = _copied(part(copy, found[choose(len(found))]))
    if what == 1:
        in_lists = choose(2)
        for _ in range(_DEEP[choose(len(_DEEP))]):
            new = [new] if in_lists else {"a": new}
    if not path:
        return new
    holder, key = part(copy, path[:-1]), path[-1]
    if what == 2:
        del holder[key]
    elif what == 3 and isinstance(holder, list):
        holder.insert(choose(len(holder) + 1), new)
    elif what == 3:
        holder[new if isinstance(new, str) else str(key) + "_"] = holder[key]
    elif what == 4 and isinstance(holder, list):
        holder.extend(_copied(holder) * (1 + choose(3)))
    elif what == 4:
        holder[str(key).upper()] = holder.pop(key)
    else:
        holder[key] = new
    return copy


def changed_json(data: bytes, choose: Choose, words: Sequence[Any] = ()) -> bytes:
    """A JSON text with one part of its tree changed; of what is no JSON some bytes."""
    try:
        tree = json.loads(data)
        for _ in range(1 + choose(2)):
            tree = changed_tree(tree, choose, words)
        return _dumped(tree)
    except (ValueError, RecursionError):
        return changed_bytes(data, choose)


def changed_bytes(data: bytes, choose: Choose) -> bytes:
    """Some bytes replaced, taken away, put in or doubled."""
    at = choose(len(data) + 1)
    length = choose(9)
    what = choose(4)
    if what == 0:
        return data[:at] + data[at + length :]
    if what == 1:
        return data[:at] + data[at : at + 8 * length] * 2 + data[at + 8 * length :]
    new = bytes(choose(256) for _ in range(length))
    return data[:at] + new + data[at + (length if what == 2 else 0) :]


def changed_zip(data: bytes, choose: Choose, inner: Callable[[str, bytes, Choose], bytes]) -> bytes:
    """An archive with one member changed by `inner`, taken away, renamed or doubled.

    Written anew, so that sizes and checksums hold.
    """
    members = _members(data)
    if not members:
        return changed_bytes(data, choose)
    at = choose(len(members))
    name, content = members[at]
    what = choose(10)
    if what == 0:
        del members[at]
    elif what == 1:
        members.append((members[choose(len(members))][0], content))
    elif what == 2:
        members[at] = (name.upper() if choose(2) else name.partition(".")[0], content)
    else:
        members[at] = (name, inner(name, content, choose))
    return zipped(members, compressed=bool(choose(2)))


def zipped(members: Sequence[tuple[str, bytes]], *, compressed: bool = False) -> bytes:
    """An archive of these files, in which a name may stand twice."""
    target = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in members:
            # zipfile only warns of a name that is given twice.
            archive.NameToInfo.pop(name, None)
            archive.writestr(zipfile.ZipInfo(name or "x"), content, method)
    return target.getvalue()


_TYPES = (
    *(b"'|u1'", b"'<f4'", b"'<f8'", b"'>f4'", b"'<f2'", b"'<f16'", b"'<i8'", b"'>i4'", b"'<u8'"),
    *(b"'|O'", b"'<U3'", b"'<U0'", b"'|S4'", b"'|V0'", b"'|b1'", b"'<M8[ns]'", b"'<c8'"),
    *(b"[('a', '<f4')]", b"('<f4', (2,))", b"'<f99'", b"1", b"None"),
)
_SHAPES = (
    *(b"()", b"(0,)", b"(1,)", b"(3,)", b"(-1,)", b"(2, 2)", b"(3, 0, 2, 1)", b"(True,)"),
    *(b"(1000000000, 1, 1, 1)", b"(3, 1000000, 1000000, 3)", b"(9223372036854775807,)"),
    *(b"(4294967296, 4294967296)", b"(1.5,)", b"3", b"None", b"(99999999999999999999,)"),
)


def changed_npy(name: str, data: bytes, choose: Choose) -> bytes:
    """An .npy file whose header lies, or whose numbers are others."""
    start, end = data.find(b"{"), data.find(b"}")
    what = choose(6)
    if start < 0 or end < 0 or what > 3:
        return changed_bytes(data, choose)
    header = data[start : end + 1]
    if what == 3:
        # Numbers that are none, of any width.
        fill = (b"\xff", b"\x7f", b"\x80", b"\0", b"\xc0")[choose(5)]
        return data[: end + 1] + data[end + 1 :][: 1 + choose(200)] + fill * choose(400)
    if what == 0:
        new = _TYPES[choose(len(_TYPES))]
        first, last = header.find(b":") + 2, header.find(b", 'fortran")
    elif what == 1:
        new = _SHAPES[choose(len(_SHAPES))]
        first, last = header.find(b"'shape': ") + 9, header.rfind(b", }")
    else:
        new = (b"True", b"False", b"1", b"None")[choose(4)]
        first, last = header.find(b"order': ") + 8, header.find(b", 'shape")
    header = header[:first] + new + header[last:] if 0 <= first <= last else header
    body = header + b" " * (-(len(header) + 11) % 64) + b"\n"
    values = data[data.find(b"\n", end) + 1 :]
    return b"\x93NUMPY\x01\0" + len(body).to_bytes(2, "little") + body + values


def _members(data: bytes) -> list[tuple[str, bytes]]:
    with suppress(Exception), zipfile.ZipFile(io.BytesIO(data)) as archive:
        listed = archive.infolist()
        if sum(one.file_size for one in listed) <= _MOST_UNPACKED:
            return [(one.filename, archive.read(one)) for one in listed]
    return []


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _dumped(tree: Any) -> bytes:
    # Written out here, as Python refuses to write numbers of that many digits.
    marked = json.dumps(_marked(tree), ensure_ascii=True)
    return marked.replace('"<digits>"', "9" * 5000).encode()


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _marked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked(item) for item in value]
    return "<digits>" if type(value) is int and abs(value) >= 16**3000 else value
