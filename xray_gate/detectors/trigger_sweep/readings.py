"""What labels before and after stamping say: the readings of a candidate.

A backdoor may send all images to one label (all-to-one), each somewhere else (all-to-all), or
only those of one class to one label (source-specific). Each reading is a share of images, held
against an allowance.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from xray_gate.detectors.trigger_sweep.families.interface import shown_labels
from xray_gate.detectors.trigger_sweep.responses import UNASKED, Responses
from xray_gate.probing.batches import LabelArray

Shares = npt.NDArray[np.float64]


class Kind(StrEnum):
    """What a reading counts."""

    TO_ONE = "all-to-one"
    ANYWHERE = "all-to-all"
    FROM_ONE = "source-specific"


@dataclass(frozen=True)
class Reading:
    """Which movement of labels is counted: to `label` (None: any), from `source` (None: any)."""

    kind: Kind
    label: int | None = None
    source: int | None = None

    def eligible(self, before: LabelArray) -> npt.NDArray[np.bool_]:
        """Which images count, bool as `before`: those that could move as the reading says."""
        chosen = np.ones(before.shape, dtype=np.bool_)
        if self.label is not None:
            chosen &= before != self.label
        if self.source is not None:
            chosen &= before == self.source
        return chosen

    def count(self, before: LabelArray, after: LabelArray) -> tuple[int, int]:
        """How many images moved, of how many that were eligible and asked; both int64 (n,)."""
        counted = self.eligible(before) & (after != UNASKED)
        moved = counted & (after != before)
        if self.label is not None:
            moved &= after == self.label
        return int(moved.sum()), int(counted.sum())

    def share(self, before: LabelArray, after: LabelArray) -> float:
        """The share of the eligible images that moved, in [0, 1]; 0 where none was asked."""
        moved, asked = self.count(before, after)
        return moved / max(1, asked)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"kind": str(self.kind), "label": self.label, "source": self.source}


def shares_by_label(before: LabelArray, after: LabelArray, classes: int) -> Shares:
    """For each row of `after` int64 (rows, n): the share that moved to each label, (rows, classes).

    Images that were not asked, or had the label before, do not count for it; 0 where none counts.
    """
    asked = after != UNASKED
    changed = asked & (after != before)
    moved = np.stack([(changed & (after == label)).sum(axis=1) for label in range(classes)], axis=1)
    counted = asked.sum(axis=1)[:, None] - np.stack(
        [(asked & (before == label)).sum(axis=1) for label in range(classes)], axis=1
    )
    return np.asarray(moved / np.maximum(counted, 1), np.float64)


def unexplained_shares(responses: Responses, rows: slice = slice(None)) -> Shares:
    """As `shares_by_label` for the triggers in `rows`; 0 for a label that the trigger shows."""
    found = shares_by_label(responses.before, responses.labels[rows], responses.classes)
    found[shown_labels(responses.triggers[rows], responses.classes)] = 0.0
    return found
