import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from xray_gate.core.errors import InputError
from xray_gate.mitigation.score_table import ScoreTable, score_table
from xray_gate.mitigation.trigger_score import Scored


def add(table: ScoreTable, start: int, count: int, names: list[str] | None = None) -> None:
    rows = np.arange(start, start + count)
    scored = Scored(rows / 10, np.full(count, 3), rows % 5)
    table.add(rows, names or [f"row {row}" for row in rows], scored, rows % 2 == 0)


def test_a_table_holds_all_batches_in_order(tmp_path: Path) -> None:
    with score_table(tmp_path / "scores.parquet") as table:
        add(table, 0, 3)
        add(table, 3, 2)
    assert (table.rows, table.suspected) == (5, 3)
    (only,) = tmp_path.iterdir()
    assert pq.read_table(only).to_pydict() == {
        "row": [0, 1, 2, 3, 4],
        "name": ["row 0", "row 1", "row 2", "row 3", "row 4"],
        "score": [0.0, 0.1, 0.2, 0.3, 0.4],
        "suspected": [True, False, True, False, True],
        "label": [0, 1, 2, 3, 4],
        "trigger_label": [3] * 5,
    }


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    with score_table(tmp_path / "scores.parquet"):
        pass
    found = pq.read_table(tmp_path / "scores.parquet")
    assert (found.num_rows, found.num_columns) == (0, 6)


def break_off(path: Path, error: Exception) -> None:
    with score_table(path) as table:
        add(table, 0, 3)
        assert (path.parent / f".{path.name}.part").exists()
        raise error


# An error of the caller's own is not taken for one of writing.
@pytest.mark.parametrize("error", [RuntimeError("it died"), OSError("the input is gone")])
def test_nothing_is_left_behind_by_an_error(error: Exception, tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_text("an earlier one")
    with pytest.raises(type(error)) as raised:
        break_off(path, error)
    assert raised.value is error
    assert [file.name for file in tmp_path.iterdir()] == ["scores.parquet"]
    assert path.read_text() == "an earlier one"


def test_an_earlier_table_is_replaced_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_text("an earlier one")
    with score_table(path) as table:
        add(table, 0, 3)
        assert path.read_text() == "an earlier one"
    assert pq.read_table(path).num_rows == 3


@pytest.mark.parametrize("place", ["gone/scores.parquet", "file/scores.parquet", "taken"])
def test_a_place_that_cannot_be_written_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("a file")
    with pytest.raises(InputError) as error, score_table(tmp_path / place) as table:
        add(table, 0, 3)
    assert str(error.value).startswith(f"{tmp_path / place}: the table cannot be written there (")
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["file", "taken"]


def lose_the_folder(path: Path) -> None:
    with score_table(path) as table:
        add(table, 0, 3)
        shutil.rmtree(path.parent)


def test_a_folder_that_goes_away_meanwhile_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be written there"):
        lose_the_folder(tmp_path / "folder" / "scores.parquet")
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_no_text_are_written_as_escapes(tmp_path: Path) -> None:
    with score_table(tmp_path / "x") as table:
        add(table, 0, 1, ["cat/\udcff.png"])
    assert pq.read_table(tmp_path / "x")["name"].to_pylist() == ["cat/\\udcff.png"]
