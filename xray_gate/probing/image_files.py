"""Decoding and resizing of images with Pillow, with bounds on what a file may ask for."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from xray_gate.core.errors import InputError
from xray_gate.probing.batches import FloatArray

Bytes = npt.NDArray[np.uint8]
Size = tuple[int, int]

# Pillow's other formats run external programs, or are no images that a classifier is fed.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def decode_image(source: Path | bytes, name: str, size: Size | None = None) -> Bytes:
    """An encoded image as uint8 (height, width, channels), resized to `size` where that is given.

    Grey ones keep one channel, all others become RGB; an alpha channel is dropped. `name` is
    what messages call it. Raises `InputError` when it cannot be decoded, is far too large
    (Pillow's limit against decompression bombs) or has more than 8 bits a channel.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            file = io.BytesIO(source) if isinstance(source, bytes) else source
            with Image.open(file, formats=_FORMATS) as image:
                if image.mode in _DEEP_MODES:
                    raise InputError(
                        f"{name}: has more than 8 bits a channel ({image.mode}); convert it to 8"
                    )
                wanted = "L" if image.mode in ("1", "L") else "RGB"
                image.load()
                # Converting copies, also where nothing changes, and images may be large.
                pixels = image if image.mode == wanted else image.convert(wanted)
    except InputError:
        raise
    # Pillow's decoders answer broken bytes with almost any exception.
    except Exception as error:
        raise InputError(
            f"{name}: cannot be decoded as an image ({error}); replace or remove it "
            f"(formats read: {', '.join(_FORMATS)})"
        ) from error
    if size is not None:
        pixels = pixels.resize(_width_first(size), Image.Resampling.BILINEAR)
    values = np.asarray(pixels, dtype=np.uint8)
    return values[..., None] if values.ndim == 2 else values


def resize_bytes(images: Bytes, size: Size) -> Bytes:
    """Images uint8 (n, height, width, channels) in another size, bilinear."""
    return np.stack([_resize_channels(image, size) for image in images]).astype(np.uint8)


def resize_floats(images: FloatArray, size: Size) -> FloatArray:
    """Images float32 (n, channels, height, width) in [0, 1] in another size, bilinear."""
    resized = [_resize_channels(image.transpose(1, 2, 0), size) for image in images]
    # Rounding of the weights may lead out of the range by a hair.
    pixels = np.clip(np.stack(resized).transpose(0, 3, 1, 2), 0.0, 1.0)
    return np.ascontiguousarray(pixels, dtype=np.float32)


def _resize_channels(image: npt.NDArray[Any], size: Size) -> npt.NDArray[Any]:
    channels = [
        Image.fromarray(np.ascontiguousarray(image[..., c])).resize(
            _width_first(size), Image.Resampling.BILINEAR
        )
        for c in range(image.shape[-1])
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


def _width_first(size: Size) -> tuple[int, int]:
    return size[1], size[0]
