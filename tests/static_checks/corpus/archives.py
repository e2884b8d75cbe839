"""Archives that unpack to more than they should, or that parsers read in different ways."""

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.static_checks.corpus.making import BENIGN, Row, one, runs, torch_archive, zipped

_MODEL = "data/model.pth"
_WAYS = "is an archive that parsers may read in different ways"
_CENTRAL, _LOCAL, _END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"


def _patched(data: bytes, signature: bytes, offset: int, value: bytes, which: int = 0) -> bytes:
    """`data` with bytes of its `which`-th header of a kind replaced."""
    at = -1
    for _ in range(which + 1):
        at = data.index(signature, at + 1)
    at += offset
    return data[:at] + value + data[at + len(value) :]


def _bomb(_: str) -> bytes:
    return zipped({"m/data.pkl": bytes(80 * 2**20)}, zipfile.ZIP_DEFLATED)


def _lying_bomb(_: str) -> bytes:
    """Both headers say that the entry is small."""
    data = zipped({"m/data.pkl": bytes(2**20)}, zipfile.ZIP_DEFLATED)
    small = struct.pack("<L", 100)
    return _patched(_patched(data, _CENTRAL, 24, small), _LOCAL, 22, small)


def _overlapping(_: str) -> bytes:
    """A second entry of the directory that points to the first one's bytes."""
    return _patched(torch_archive(), _CENTRAL, 42, struct.pack("<L", 0), which=1)


def _many(_: str) -> bytes:
    entry = struct.pack(
        "<4s6H3L5H2L", _CENTRAL, *(20, 20, 0, 0, 0, 0), 0, 0, 0, *[1, *[0] * 4], 0, 0
    )
    body = torch_archive()
    body = body[: body.index(_CENTRAL)]
    directory = (entry + b"a") * 51_000
    end = struct.pack("<4s4H2LH", _END, 0, 0, 51_000, 51_000, len(directory), len(body), 0)
    return body + directory + end


def _bad_checksum(source: str) -> bytes:
    data = torch_archive(runs(source))
    wrong = struct.pack("<L", 0x12345678)
    return _patched(_patched(data, _CENTRAL, 16, wrong), _LOCAL, 14, wrong)


def _renamed(name: str) -> Callable[[str], bytes]:
    return lambda _: torch_archive().replace(b"m/version", name.encode().ljust(9, b"x"))


def _encrypted(_: str) -> bytes:
    flags = struct.pack("<H", 1)
    return _patched(_patched(torch_archive(), _CENTRAL, 8, flags), _LOCAL, 6, flags)


def _two_names(source: str) -> bytes:
    """The directory says that the entry is a text, the entry that it is the pickle."""
    data = torch_archive(runs(source))
    return _patched(data, _CENTRAL, 46, b"m/data.txt")


def _two_methods(_: str) -> bytes:
    return _patched(torch_archive(), _LOCAL, 8, struct.pack("<H", 8))


def _hidden(source: str) -> bytes:
    """An entry between others that the directory does not list."""
    listed, hidden = torch_archive(), zipped({"m/evil.pkl": runs(source)})
    at = listed.index(_CENTRAL)
    body = hidden[: hidden.index(_CENTRAL)]
    moved = listed[:at] + body + listed[at:]
    return _patched(moved, _END, 16, struct.pack("<L", at + len(body)))


def _twice(_: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("m/data.pkl", BENIGN)
        archive.writestr("m/version", b"3")
        # zipfile warns of names that it has written.
        archive.NameToInfo.clear()
        archive.writestr("m/data.pkl", BENIGN)
    return target.getvalue()


def _deep(_: str) -> bytes:
    data = BENIGN
    for _level in range(5):
        data = torch_archive(data)
    return data


def _with_comment(source: str) -> bytes:
    data = torch_archive()
    comment = torch_archive(runs(source))
    return data[:-2] + struct.pack("<H", len(comment)) + comment


def _link(_: str) -> bytes:
    mode = (stat.S_IFLNK | 0o777) << 16
    return zipped({"m/data.pkl": b"/etc/passwd"}, external_attr=mode, create_system=3)


def _tar(source: str) -> bytes:
    import tarfile

    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        entry = tarfile.TarInfo("data.pkl")
        entry.size = len(runs(source))
        archive.addfile(entry, io.BytesIO(runs(source)))
    return target.getvalue()


def _appended(folder: Path, source: str) -> Path:
    from tests.backends.tiny_onnx import brightest_channel

    path = brightest_channel(folder / "model.onnx")
    path.write_bytes(path.read_bytes() + torch_archive(runs(source)))
    return path


ROWS = [
    Row("bomb", one(_MODEL, _bomb), "unpacks to more than 100 times its size"),
    Row("bomb that lies", one(_MODEL, _lying_bomb), "whose checksum is wrong"),
    Row("entries that overlap", one(_MODEL, _overlapping), f"{_WAYS}"),
    Row("too many entries", one(_MODEL, _many), "more entries in archives than can be"),
    Row("wrong checksum", one(_MODEL, _bad_checksum), "whose checksum is wrong"),
    Row("a name twice", one(_MODEL, _twice), "holds m/data.pkl twice"),
    Row(
        "names that differ by case",
        one(_MODEL, lambda s: torch_archive(**{"m/DATA.pkl": runs(s)})),
        "holds m/DATA.pkl beside m/data.pkl, which are one file on some machines",
    ),
    Row("a name that leads out", one(_MODEL, _renamed("../a/b")), "lead out of the folder"),
    Row("an absolute name", one(_MODEL, _renamed("/etc/cron")), "lead out of the folder"),
    Row("a drive", one(_MODEL, _renamed("C:/a")), "lead out of the folder"),
    Row("a backslash", one(_MODEL, _renamed("..\\a")), "lead out of the folder"),
    Row("a name with a zero byte", one(_MODEL, _renamed("m/a\0.txt")), "lead out of the folder"),
    Row("encrypted", one(_MODEL, _encrypted), "is encrypted; save the model without"),
    Row(
        "bzip2 inside",
        one(_MODEL, lambda s: zipped({"m/data.pkl": runs(s)}, zipfile.ZIP_BZIP2)),
        r"compressed in a way that is not looked into \(12\)",
    ),
    Row(
        "pickle and archive at once",
        one(_MODEL, lambda s: runs(s) + torch_archive()),
        "bytes before or behind it, so that it could be another kind",
    ),
    Row(
        "archive and pickle at once",
        one(_MODEL, lambda s: torch_archive() + runs(s)),
        "bytes before or behind it",
    ),
    Row("archive in a comment", one(_MODEL, _with_comment), "different ways|before or behind it"),
    Row("archive behind an ONNX model", _appended, "is an archive as well, appended"),
    Row("link", one(_MODEL, _link), "data.pkl: is a link or a special file"),
    Row("two names of one entry", one(_MODEL, _two_names), "directory and the entry say different"),
    Row("two methods", one(_MODEL, _two_methods), "directory and the entry say different"),
    Row("hidden between entries", one(_MODEL, _hidden), "bytes that belong to none"),
    Row("archives five deep", one(_MODEL, _deep), "lies in 3 archives, one inside the other"),
    Row(
        "cut off",
        one(_MODEL, lambda _: torch_archive()[:-30]),
        "bytes before or behind it|different ways",
    ),
    Row(
        "of no known kind",
        one("data/model.keras", lambda _: zipped({"config.json": b"{}"})),
        "is an archive of no kind that can be looked into",
    ),
    Row("tar", one("data/model.tar", _tar), "is a tar archive, which is not looked into"),
    Row("7z", one("data/m", lambda _: b"7z\xbc\xaf\x27\x1c" + bytes(30)), "is a 7z archive"),
    Row("zstandard", one("data/m", lambda _: b"\x28\xb5\x2f\xfd" + bytes(30)), "a Zstandard file"),
]
