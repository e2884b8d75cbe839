"""Tells by their first bytes what files are that no check looks into further."""

from xray_gate.static_checks.item import Item

_STREAMS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x5d\x00\x00": "xz"}
_SECOND_BYTES_OF_ZLIB = b"\x01\x5e\x9c\xda"
_NATIVE = {
    b"\x7fELF": "a native library",
    b"\xfe\xed\xfa\xce": "a native library",
    b"\xfe\xed\xfa\xcf": "a native library",
    b"\xce\xfa\xed\xfe": "a native library",
    b"\xcf\xfa\xed\xfe": "a native library",
    b"\xca\xfe\xba\xbe": "a native library",
    b"!<arch>\n": "a native library",
}
_PACKED = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x04\x22\x4d\x18": "an LZ4 file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"LZIP": "an lzip file",
    b"MSCF": "a cabinet",
}
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_POINTER = b"version https://git-lfs.github.com/spec/"
_CODE_SUFFIXES = frozenset(
    {".py", ".pyc", ".pyo", ".pyd", ".pyw", ".pyx", ".ipynb", ".so", ".dll", ".dylib"}
    | {".sh", ".egg", ".whl", ".js", ".jar", ".exe", ".bat"}
)
_TEXT_PIECE = 2**20
_CONTROL = [bytes([byte]) for byte in (*range(8), *range(14, 27), *range(28, 32), 127)]


def stream_kind(item: Item) -> str | None:
    """Which compressed stream the content says to be."""
    start = item.at(0, 8)
    if start[:1] == b"\x78" and start[1:2] in _SECOND_BYTES_OF_ZLIB:
        return "zlib"
    return next((kind for magic, kind in _STREAMS.items() if start.startswith(magic)), None)


def native_kind(item: Item) -> str | None:
    """Words for a library or a program, None for other content."""
    start = item.at(0, 64)
    if start.startswith(b"MZ"):
        # Two letters are not enough: a text or a weight may begin so.
        header = int.from_bytes(start[60:64], "little")
        return "a native library" if item.at(header, 4) == b"PE\0\0" else None
    return next((words for magic, words in _NATIVE.items() if start.startswith(magic)), None)


def packed_kind(item: Item) -> str | None:
    """Words for an archive of a kind that is not unpacked, None for other content."""
    start = item.at(0, 8)
    if item.at(257, 5) == b"ustar":
        return "a tar archive"
    return next((words for magic, words in _PACKED.items() if start.startswith(magic)), None)


def is_pointer(item: Item) -> bool:
    """Whether Git LFS left a pointer in the file's place, a text that names the file."""
    return item.at(0, len(_POINTER)) == _POINTER


def is_image(item: Item) -> bool:
    """Whether the content begins as a picture does."""
    return item.at(0, 8).startswith(_IMAGES)


def is_code(item: Item) -> bool:
    """Whether the file is named as what Python or the system runs."""
    return item.suffix in _CODE_SUFFIXES


def is_text(item: Item) -> bool:
    """Whether all of the content is UTF-8 without control characters."""
    item.file.seek(0)
    rest = b""
    while piece := item.file.read(_TEXT_PIECE):
        piece = rest + piece
        if any(byte in piece for byte in _CONTROL):
            return False
        try:
            piece.decode("utf-8")
            rest = b""
        except UnicodeDecodeError as error:
            if len(piece) - error.start > 3:
                return False
            rest = piece[error.start :]
    return not rest
