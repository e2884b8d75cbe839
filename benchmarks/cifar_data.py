"""What CIFAR-10's images and labels are, and the types that arrays of any images have."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CLASSES = 10
SIDE = 32

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
