"""What people know of versions: a file with a version or a digest, and `clean` or `backdoored`."""

import csv
from pathlib import Path

from xray_gate.core.errors import InputError
from xray_gate.policy.replay import Label

_LABELS: dict[str, Label] = {"clean": "clean", "backdoored": "backdoored"}


def read_labels(path: Path) -> dict[str, Label]:
    """Labels by version (`name/3`) or digest (`sha256:...`), from CSV of two columns.

    Raises `InputError`, with the line, for whatever is not that: a rate over half of the labels
    would be another one.
    """
    found: dict[str, Label] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in (reader := csv.reader(file)):
                if not row or row[0].startswith("#"):
                    continue
                _add(found, row, f"{path}:{reader.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot be read as labels ({error}); write lines like `name/3,clean`"
        ) from error
    return found


def _add(found: dict[str, Label], row: list[str], place: str) -> None:
    cells = [cell.strip() for cell in row]
    label = _LABELS.get(cells[-1])
    if len(cells) != 2 or label is None:
        raise InputError(
            f"{place}: is not a version and its label; write `name/3,clean`, or a digest and "
            "`backdoored`"
        )
    if found.setdefault(cells[0], label) != label:
        raise InputError(f"{place}: {cells[0]} has both labels; keep one")
