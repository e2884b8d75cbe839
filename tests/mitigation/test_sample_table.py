from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from xray_gate.mitigation.cleansing import Inspected
from xray_gate.mitigation.sample_table import sample_table


def test_each_sample_is_a_row_of_typed_columns(tmp_path: Path) -> None:
    rows = np.array([4, 5, 9])
    found = Inspected(
        rows, np.full(3, 1), np.array([1, 1, 2]), np.array([1, 0, 0]), np.array([0.0, 0.9, -0.5])
    )
    with sample_table(tmp_path / "samples.parquet") as table:
        table.add(found, [f"row {row}" for row in rows])
    (only,) = tmp_path.iterdir()
    stored = pq.read_table(only)
    assert [(field.name, str(field.type)) for field in stored.schema] == [
        ("row", "int64"),
        ("name", "string"),
        ("label", "int64"),
        ("before", "int64"),
        ("after", "int64"),
        ("drop", "double"),
        ("suspected", "bool"),
    ]
    assert stored.to_pydict() == {
        "row": [4, 5, 9],
        "name": ["row 4", "row 5", "row 9"],
        "label": [1, 1, 1],
        "before": [1, 1, 2],
        "after": [1, 0, 0],
        "drop": [0.0, 0.9, -0.5],
        "suspected": [False, True, False],
    }
