"""The labels of stamped images: every one is asked for once, and remembered."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from xray_gate.detectors.trigger_sweep.families.interface import Trigger
from xray_gate.probing.batches import FloatArray, Images, LabelArray
from xray_gate.probing.oracle import HardLabelOracle

UNASKED = -1
# About 32 MiB of pixels a question to the model's process.
_VALUES_A_BATCH = 2**23

Columns = npt.NDArray[np.int64]


class Responses:
    """What the model says of `images` float32 (n, channels, height, width) under each trigger.

    `before` int64 (n,) are its labels for the images as they are. `labels` int64 (triggers, n)
    holds `UNASKED` where nothing was asked; `queries` counts what was.
    """

    def __init__(self, oracle: HardLabelOracle, images: FloatArray, before: LabelArray) -> None:
        self._oracle = oracle
        self.images = images
        self.before = before
        self.classes = oracle.classes
        self.queries = 0
        self.triggers: list[Trigger] = []
        self.labels = np.empty((0, len(images)), dtype=np.int64)

    def add(self, triggers: Iterable[Trigger]) -> list[int]:
        """Take in more triggers; returns their rows."""
        first = len(self.triggers)
        self.triggers.extend(triggers)
        added = len(self.triggers) - first
        blank = np.full((added, len(self.images)), UNASKED, dtype=np.int64)
        self.labels = np.concatenate([self.labels, blank])
        return list(range(first, len(self.triggers)))

    def ask(self, wanted: Sequence[tuple[int, Columns]]) -> None:
        """Fill in the labels for pairs of a row and its columns, where they are not known yet."""
        batch: list[FloatArray] = []
        cells: list[tuple[int, Columns]] = []
        limit = max(1, _VALUES_A_BATCH // self.images[0].size)
        waiting = 0
        for row, columns in wanted:
            unknown = columns[self.labels[row, columns] == UNASKED]
            if not len(unknown):
                continue
            batch.append(self.triggers[row].stamp(self.images[unknown]))
            cells.append((row, unknown))
            waiting += len(unknown)
            if waiting >= limit:
                self._flush(batch, cells)
                batch, cells, waiting = [], [], 0
        if waiting:
            self._flush(batch, cells)

    def _flush(self, batch: list[FloatArray], cells: list[tuple[int, Columns]]) -> None:
        answers = self._oracle.labels(Images(np.concatenate(batch)))
        self.queries += len(answers)
        start = 0
        for row, columns in cells:
            self.labels[row, columns] = answers[start : start + len(columns)]
            start += len(columns)
