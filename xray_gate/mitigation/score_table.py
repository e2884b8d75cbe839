"""The scores of filtered inputs as a parquet file, which is there as a whole or not at all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from xray_gate.mitigation.trigger_score import Scored
from xray_gate.mitigation.whole_table import WholeTable, whole_table
from xray_gate.probing.batches import IndexArray

_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("name", pa.string()),
        ("score", pa.float64()),
        ("suspected", pa.bool_()),
        ("label", pa.int64()),
        ("trigger_label", pa.int64()),
    ]
)


class ScoreTable:
    """Takes inputs a batch at a time; `score_table` opens one.

    Columns: `row` and `name` of the input, `score` in nats, `suspected` (whether it is rejected),
    `label` (the model's, without the trigger) and `trigger_label` (of the trigger that the score
    is of).
    """

    def __init__(self, table: WholeTable) -> None:
        self._table = table
        self.suspected = 0

    @property
    def rows(self) -> int:
        """How many inputs were written."""
        return self._table.rows

    def add(
        self,
        rows: IndexArray,
        names: Sequence[str],
        scored: Scored,
        suspected: npt.NDArray[np.bool_],
    ) -> None:
        """Write a batch: int64 (n,), n names, n scores, bool (n,). Raises `InputError`."""
        labels, trigger_labels = scored.labels, scored.trigger_labels
        self._table.add(rows, names, scored.scores, suspected, labels, trigger_labels)
        self.suspected += int(np.count_nonzero(suspected))


@contextmanager
def score_table(path: Path) -> Iterator[ScoreTable]:
    """See `whole_table`."""
    with whole_table(path, _SCHEMA) as table:
        yield ScoreTable(table)
