"""Images as files hold them."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image


def png(image: npt.NDArray[np.uint8]) -> bytes:
    """A PNG file of ``[height, width]``, ``[height, width, 1]`` or ``[height, width, 3]``."""
    stream = io.BytesIO()
    Image.fromarray(image.squeeze(2) if image.shape[2:] == (1,) else image).save(stream, "PNG")
    return stream.getvalue()
