"""A parquet file that is written in parts, and is there as a whole or not at all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from xray_gate.core.errors import InputError

Column = Sequence[Any] | npt.NDArray[Any]


class WholeTable:
    """Takes rows a part at a time; `whole_table` opens one. `rows` counts those written."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema, path: Path) -> None:
        self._writer = writer
        self._schema = schema
        self._path = path
        self.rows = 0

    def add(self, *columns: Column) -> None:
        """Write n rows: for each field of the schema, in its order, n values.

        Raises `InputError` where they cannot be written.
        """
        arrays = [
            pa.array(_written(column, field), field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        with _write_errors(self._path):
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        self.rows += len(arrays[0])


@contextmanager
def whole_table(path: Path, schema: pa.Schema) -> Iterator[WholeTable]:
    """A table that is at `path` when the context ends without an error; before, nothing is.

    A file that was there before stays until then. Raises `InputError` where it cannot be written.
    """
    draft = path.with_name(f".{path.name}.part")
    try:
        with _write_errors(path):
            writer = pq.ParquetWriter(draft, schema)
        try:
            yield WholeTable(writer, schema, path)
        finally:
            with _write_errors(path):
                writer.close()
        with _write_errors(path):
            draft.replace(path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _written(column: Column, field: pa.Field) -> Column:
    if field.type != pa.string():
        return column
    # File names need not be valid UTF-8.
    return [str(text).encode("utf-8", "backslashreplace").decode() for text in column]


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: the table cannot be written there ({error.strerror or error}); name a file "
            "in a folder that is there, with --out"
        ) from error
