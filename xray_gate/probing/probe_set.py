"""The clean labelled samples that every scan starts from."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xray_gate.core.errors import InputError
from xray_gate.probing.batches import FloatArray, Images, LabelArray


@dataclass(frozen=True)
class ProbeSet:
    """Clean samples: `images` float32 (n, channels, height, width) in [0, 1]; `labels` int64 (n,).

    `source` names where they came from, for messages. Raises `InputError` when they are no probe
    set: empty, of different lengths, out of range, not finite, with negative labels, or all of
    one class.
    """

    images: FloatArray
    labels: LabelArray
    source: str = "probes"

    def __post_init__(self) -> None:
        if len(self.images) == 0:
            raise InputError(f"{self.source}: holds no samples; give some clean labelled images")
        if self.images.ndim != 4:
            raise InputError(
                f"{self.source}: images have the shape {self.images.shape}; "
                "expected (samples, channels, height, width)"
            )
        if self.labels.shape != (len(self.images),):
            raise InputError(
                f"{self.source}: {len(self.images)} images, but labels of the shape "
                f"{self.labels.shape}; give one label for each image"
            )
        if not np.isfinite(self.images).all():
            raise InputError(f"{self.source}: some pixels are NaN or infinite; remove those images")
        low, high = float(self.images.min()), float(self.images.max())
        if low < 0.0 or high > 1.0:
            raise InputError(
                f"{self.source}: pixels range from {low:.3g} to {high:.3g}; float images must lie "
                "in [0, 1] (save uint8 images, or divide by 255), and normalisation belongs in "
                "the policy's `preprocessing`"
            )
        if self.labels.min() < 0:
            raise InputError(
                f"{self.source}: labels must be 0 or more, found {self.labels.min()}; number the "
                "classes from 0, as the model does"
            )
        if len(self.present_classes) < 2:
            raise InputError(
                f"{self.source}: all samples are of class {self.labels[0]}; "
                "give clean samples of at least three classes"
            )

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def present_classes(self) -> tuple[int, ...]:
        """The labels that occur, ascending."""
        return tuple(int(label) for label in np.unique(self.labels))

    @cached_property
    def sha256(self) -> str:
        """`sha256:` and a hash over shape, pixels and labels: the same set gives the same value."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).tobytes())
        digest.update(np.ascontiguousarray(self.labels).tobytes())
        return f"sha256:{digest.hexdigest()}"

    def as_batch(self) -> Images:
        """All samples as one batch of questions."""
        return Images(self.images)
