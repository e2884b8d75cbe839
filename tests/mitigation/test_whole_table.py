import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xray_gate.core.errors import InputError
from xray_gate.mitigation.whole_table import WholeTable, whole_table

SCHEMA = pa.schema([("row", pa.int64()), ("name", pa.string()), ("odd", pa.bool_())])


def add(table: WholeTable, start: int, count: int) -> None:
    rows = np.arange(start, start + count)
    table.add(rows, [f"row {row}" for row in rows], rows % 2 == 1)


def test_a_table_holds_all_parts_in_order(tmp_path: Path) -> None:
    with whole_table(tmp_path / "t.parquet", SCHEMA) as table:
        add(table, 0, 3)
        add(table, 3, 0)
        add(table, 3, 2)
    assert table.rows == 5
    (only,) = tmp_path.iterdir()
    found = pq.read_table(only)
    assert found.schema.equals(SCHEMA)
    assert found.to_pydict() == {
        "row": [0, 1, 2, 3, 4],
        "name": ["row 0", "row 1", "row 2", "row 3", "row 4"],
        "odd": [False, True, False, True, False],
    }


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    with whole_table(tmp_path / "t.parquet", SCHEMA):
        pass
    found = pq.read_table(tmp_path / "t.parquet")
    assert (found.num_rows, found.column_names) == (0, ["row", "name", "odd"])


def break_off(path: Path, error: Exception) -> None:
    with whole_table(path, SCHEMA) as table:
        add(table, 0, 3)
        assert (path.parent / f".{path.name}.part").exists()
        assert path.read_text() == "an earlier one"
        raise error


# An error of the caller's own is not taken for one of writing.
@pytest.mark.parametrize("error", [RuntimeError("it died"), OSError("the input is gone")])
def test_nothing_is_left_behind_by_an_error(error: Exception, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_text("an earlier one")
    with pytest.raises(type(error)) as raised:
        break_off(path, error)
    assert raised.value is error
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]
    assert path.read_text() == "an earlier one"


@pytest.mark.parametrize("columns", [(np.arange(2), ["a", "b"]), (np.arange(2), ["a"], [True])])
def test_columns_that_do_not_fit_are_an_error(columns: tuple[object, ...], tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError),
        whole_table(tmp_path / "t.parquet", SCHEMA) as table,
    ):
        table.add(*columns)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["gone/t.parquet", "file/t.parquet", "taken"])
def test_a_place_that_cannot_be_written_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("a file")
    with pytest.raises(InputError) as error, whole_table(tmp_path / place, SCHEMA) as table:
        add(table, 0, 3)
    assert str(error.value).startswith(f"{tmp_path / place}: the table cannot be written there (")
    assert str(error.value).endswith("name a file in a folder that is there, with --out")
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["file", "taken"]


def lose_the_folder(path: Path) -> None:
    with whole_table(path, SCHEMA) as table:
        add(table, 0, 3)
        shutil.rmtree(path.parent)


def test_a_folder_that_goes_away_meanwhile_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be written there"):
        lose_the_folder(tmp_path / "folder" / "t.parquet")
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_no_text_are_written_as_escapes(tmp_path: Path) -> None:
    with whole_table(tmp_path / "x", SCHEMA) as table:
        table.add([0], ["cat/\udcff.png"], [True])
    assert pq.read_table(tmp_path / "x")["name"].to_pylist() == ["cat/\\udcff.png"]
