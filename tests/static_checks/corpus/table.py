"""All rows."""

from tests.static_checks.corpus import archives, exports, folders, onnx_files, pickles
from tests.static_checks.corpus.making import Row

_KINDS = {
    "pickle": pickles.ROWS,
    "archive": archives.ROWS,
    "folder": folders.ROWS,
    "onnx": onnx_files.ROWS,
    "export": exports.ROWS,
}
TABLE: dict[str, Row] = {
    f"{kind}: {row.name}": row for kind, rows in _KINDS.items() for row in rows
}
