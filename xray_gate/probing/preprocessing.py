"""From pixel space to what the model wants, as declared in the policy."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from xray_gate.probing.batches import FloatArray

Layout = Literal["auto", "nchw", "nhwc"]
Dtype = Literal["auto", "float32", "float16", "uint8"]


@dataclass(frozen=True)
class Preprocessing:
    """How a batch in pixel space ([0, 1], NCHW) becomes the model's input.

    In this order: `scale` (255 for a model that wants 0 to 255), `mean` and `std` per channel, in
    units of the scaled pixels, then `layout` and `dtype`. `size` (height, width) is applied once,
    to the probes, so that planes are laid through images of the model's own size.

    `auto` is settled by what the model file declares of its input (`settled`); where nothing has
    settled it, it is nchw and float32.
    """

    scale: float = 1.0
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    layout: Layout = "nchw"
    dtype: Dtype = "float32"
    size: tuple[int, int] | None = None

    def apply(self, images: FloatArray) -> npt.NDArray[Any]:
        """Images float32 (n, channels, height, width) as the model's input, in layout and dtype."""
        batch = images * np.float32(self.scale) if self.scale != 1.0 else images
        if self.mean is not None:
            batch = batch - _per_channel(self.mean)
        if self.std is not None:
            batch = batch / _per_channel(self.std)
        if self.layout == "nhwc":
            batch = batch.transpose(0, 2, 3, 1)
        if self.dtype == "uint8":
            # Bytes wrap around when cast, so points outside the range are brought back first.
            return np.clip(np.rint(batch), 0, 255).astype(np.uint8)
        dtype = "float32" if self.dtype == "auto" else self.dtype
        return np.ascontiguousarray(batch, dtype=dtype)

    def pull_back(self, slopes: npt.NDArray[Any]) -> FloatArray:
        """Derivatives by the model's input, in its layout, as derivatives by the pixels.

        The transpose of what `apply` does, which for floats is linear; bytes have no derivatives.
        """
        by_pixel = slopes.transpose(0, 3, 1, 2) if self.layout == "nhwc" else slopes
        if self.std is not None:
            by_pixel = by_pixel / _per_channel(self.std)
        return np.ascontiguousarray(by_pixel * np.float32(self.scale), dtype=np.float32)

    def settled(
        self, shape: tuple[int | None, ...] | None, dtype: str | None, channels: int
    ) -> "Preprocessing":
        """The same with every `auto` replaced by what a model declares of its input.

        `shape` includes the batch axis, with None for a free length; `channels` is the probes'
        number. A model that takes bytes gets 0 to 255.
        """
        chosen = self
        if self.layout == "auto":
            last = shape is not None and len(shape) == 4 and shape[3] == channels != shape[1]
            chosen = replace(chosen, layout="nhwc" if last else "nchw")
        if self.dtype == "auto":
            if dtype == "uint8":
                chosen = replace(chosen, dtype="uint8", scale=255.0 * self.scale)
            else:
                chosen = replace(chosen, dtype="float16" if dtype == "float16" else "float32")
        return chosen

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `from_json` is the way back."""
        return {
            "scale": self.scale,
            "mean": None if self.mean is None else list(self.mean),
            "std": None if self.std is None else list(self.std),
            "layout": self.layout,
            "dtype": self.dtype,
            "size": None if self.size is None else list(self.size),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Preprocessing":
        """Rebuild from `to_json`."""
        return cls(
            scale=data["scale"],
            mean=None if data["mean"] is None else tuple(data["mean"]),
            std=None if data["std"] is None else tuple(data["std"]),
            layout=data["layout"],
            dtype=data["dtype"],
            size=None if data["size"] is None else (data["size"][0], data["size"][1]),
        )


def _per_channel(values: tuple[float, ...]) -> FloatArray:
    return np.asarray(values, dtype=np.float32).reshape(1, -1, 1, 1)
