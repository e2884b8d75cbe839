"""A trigger that a detector found, with what a person needs to see of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xray_gate.probing.batches import FloatArray, LabelArray


@dataclass(frozen=True)
class DoseCurve:
    """How a label's share grows with the dose.

    `doses` ascend, in `unit`; `shares` holds for each label the share of the images, in [0, 1],
    that it draws at each of them; `dose` is the one at which the trigger was found.
    """

    unit: str
    doses: tuple[float, ...]
    shares: Mapping[int, tuple[float, ...]]
    dose: float


@dataclass(frozen=True, eq=False)
class ShownTrigger:
    """Images without and with the trigger, and the model's labels for both.

    `before` and `after`: float32 (n, channels, height, width) in [0, 1]; `labels_before` and
    `labels_after` int64 (n,). `text` describes the trigger in words. `heat_map`, for a trigger
    that has a place: float32 (rows, columns) in [0, 1], the share of images that moves when the
    trigger's centre lies in that cell of the image. `mask` float32 (height, width) and `pattern`
    (channels, height, width), both in [0, 1], for a trigger that is described by them; `label`, 0
    or more, is the one that it was learned for: b3d's lead there, dtinspector's lead away.
    """

    detector: str
    text: str
    before: FloatArray
    after: FloatArray
    labels_before: LabelArray
    labels_after: LabelArray
    heat_map: npt.NDArray[np.float32] | None = None
    dose_curve: DoseCurve | None = None
    mask: npt.NDArray[np.float32] | None = None
    pattern: FloatArray | None = None
    label: int | None = None
