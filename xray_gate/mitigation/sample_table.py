"""The training samples of the infected labels as a parquet file, whole or not at all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from xray_gate.mitigation.cleansing import Inspected
from xray_gate.mitigation.whole_table import WholeTable, whole_table

_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("name", pa.string()),
        ("label", pa.int64()),
        ("before", pa.int64()),
        ("after", pa.int64()),
        ("drop", pa.float64()),
        ("suspected", pa.bool_()),
    ]
)


class SampleTable:
    """Takes inspected samples some at a time; `sample_table` opens one.

    Only samples of the labels that were looked at are rows. Columns: `row` (in the training data)
    and `name` of the sample, `label` (stored with it), `before` and `after` (the model's labels
    without and with the patch), `drop` (of the probability of `label`, in [-1, 1]) and `suspected`.
    """

    def __init__(self, table: WholeTable) -> None:
        self._table = table

    def add(self, found: Inspected, names: Sequence[str]) -> None:
        """Write n samples with their n names; `InputError` where they cannot be written."""
        self._table.add(
            found.rows,
            names,
            found.labels,
            found.before,
            found.after,
            found.drops,
            found.suspected,
        )


@contextmanager
def sample_table(path: Path) -> Iterator[SampleTable]:
    """See `whole_table`."""
    with whole_table(path, _SCHEMA) as table:
        yield SampleTable(table)
