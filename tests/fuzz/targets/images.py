"""One encoded image."""

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from tests.fuzz.choosing import Choose, changed_bytes
from tests.fuzz.telling import require
from tests.probing.making_training_data import BYTES
from xray_gate.core.errors import InputError
from xray_gate.probing.image_files import decode_image

WORDS = (
    *(b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"iCCP", b"zTXt", b"iTXt", b"acTL", b"fcTL", b"eXIf"),
    *(
        b"\xff\xd8\xff\xe0",
        b"\xff\xc0",
        b"\xff\xda",
        b"Exif\0\0",
        b"GIF89a",
        b"P6\n",
        b"P5 ",
        b"Pf",
    ),
    *(b"BM", b"II*\0", b"MM\0*", b"RIFF", b"WEBPVP8 ", b"VP8L", b"VP8X", b"ANIM"),
)
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")


def target(data: bytes) -> None:
    """What is decoded are bytes of one or three channels, in the size that was asked for."""
    for size in (None, (5, 7)):
        try:
            image = decode_image(data, "an image", size)
        except InputError as error:
            require(error, "an image: ")
            continue
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] in (1, 3)
        assert image.size
        assert size is None or image.shape[:2] == size


def seeds() -> Mapping[str, bytes]:
    """A small picture in every format that is read, in colour, grey, with a palette and alpha."""
    found = {}
    for name in _FORMATS:
        for mode in ("RGB", "L", "P", "RGBA", "I;16", "1", "CMYK"):
            target = io.BytesIO()
            try:
                Image.fromarray(BYTES[0]).convert("L" if mode == "I;16" else mode).convert(
                    mode
                ).save(target, name)
            except (OSError, ValueError):
                # Not every format has every mode.
                continue
            found[f"{name}-{mode.replace(';', '_')}"] = target.getvalue()
    return found


def mutate(data: bytes, choose: Choose) -> bytes:
    """Other bytes, in a PNG with checksums that hold."""
    if not data.startswith(b"\x89PNG"):
        return changed_bytes(data, choose)
    chunks = _chunks(data)
    if not chunks:
        return changed_bytes(data, choose)
    at = choose(len(chunks))
    kind, content = chunks[at]
    what = choose(5)
    if what == 0:
        chunks.insert(choose(len(chunks) + 1), (kind, content))
    elif what == 1:
        del chunks[at]
    elif what == 2:
        chunks[at] = ((b"tRNS", b"PLTE", b"gAMA", b"iCCP", b"fcTL")[choose(5)], content)
    else:
        chunks[at] = (kind, changed_bytes(content, choose))
    return data[:8] + b"".join(chunk(*one) for one in chunks)


def chunk(kind: bytes, content: bytes) -> bytes:
    """One part of a PNG."""
    import zlib

    check = zlib.crc32(kind + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + kind + content + check


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found
