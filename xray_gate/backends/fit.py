"""Whether the probes, after the declared preprocessing, are what the model takes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xray_gate.core.errors import ShapeMismatch
from xray_gate.probing.preprocessing import Layout, Preprocessing

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class DeclaredInput:
    """What a model file says of its input; None where it says nothing.

    `shape` includes the batch axis, with None for every free length; `dtype` is NumPy's name.
    """

    shape: Shape | None = None
    dtype: str | None = None

    @property
    def batch(self) -> int | None:
        """The fixed number of images in a batch, if the model has one."""
        return self.shape[0] if self.shape else None


def check_channels(preprocessing: Preprocessing, channels: int) -> None:
    """`ShapeMismatch` unless mean and std have one value, or one for each channel.

    NumPy would spread three means over one grey channel and hand the model a colour image.
    """
    for name, values in (("mean", preprocessing.mean), ("std", preprocessing.std)):
        if values is not None and len(values) not in (1, channels):
            raise ShapeMismatch(
                f"preprocessing.{name} has {len(values)} values, but the probes have {channels} "
                f"channels; give one value for each channel in `preprocessing.{name}`"
            )


def check_fit(declared: DeclaredInput, sample: npt.NDArray[Any], layout: Layout) -> None:
    """`ShapeMismatch`, naming both sides and the remedy, unless `sample` fits `declared`.

    `sample` is a preprocessed batch in `layout`; its number of images is not compared.
    """
    if declared.shape is not None and not _fits(declared.shape[1:], sample.shape[1:]):
        raise ShapeMismatch(
            f"the model takes images of the shape {_text(declared.shape)}, but the probes after "
            f"preprocessing have the shape {_text((None, *sample.shape[1:]))}; "
            + _shape_remedy(declared.shape[1:], sample.shape[1:], layout)
        )
    if declared.dtype is not None and not widens(sample.dtype, np.dtype(declared.dtype)):
        raise ShapeMismatch(
            f"the model takes {declared.dtype}, but the probes after preprocessing are "
            f"{sample.dtype}; {_dtype_remedy(declared.dtype)}"
        )


def _fits(wanted: Shape, given: tuple[int, ...]) -> bool:
    return len(wanted) == len(given) and all(
        want in (None, have) for want, have in zip(wanted, given, strict=True)
    )


def widens(given: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    """Floats may be widened: that changes no value. Bytes as floats would change the range."""
    return given == wanted or (given.kind == wanted.kind == "f" and np.can_cast(given, wanted))


def _text(shape: Shape) -> str:
    return "(" + ", ".join("n" if length is None else str(length) for length in shape) + ")"


def _shape_remedy(wanted: Shape, given: tuple[int, ...], layout: Layout) -> str:
    if len(wanted) != 3:
        return "export the model with an input of (images, channels, height, width)"
    if layout == "nchw":
        other: Layout = "nhwc"
        swapped = (given[1], given[2], given[0])
        channels, size = 0, wanted[1:]
    else:
        other = "nchw"
        swapped = (given[2], given[0], given[1])
        channels, size = 2, wanted[:2]
    if _fits(wanted, swapped):
        return f"set `preprocessing.layout: {other}`"
    if wanted[channels] in (None, given[channels]) and None not in size:
        return f"set `preprocessing.size: {list(size)}` (height, width)"
    return (
        "set `preprocessing.layout` and `preprocessing.size` to what the model was trained with, "
        "or give probes with as many channels as the model takes"
    )


def _dtype_remedy(dtype: str) -> str:
    if dtype == "uint8":
        return "set `preprocessing.dtype: uint8` with `preprocessing.scale: 255`"
    if dtype in ("float16", "float32", "float64"):
        wanted = "float16" if dtype == "float16" else "float32"
        return f"set `preprocessing.dtype: {wanted}`"
    return "export the model with an input of float32, float16 or uint8"
