"""Which rows are run with every change, and which by `make test-slow` only."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def rest_is_slow(rows: Iterable[Any], quick: Collection[Any]) -> list[Any]:
    """All of `rows` as a test's parameters; those that are not in `quick` are marked slow."""
    found = list(rows)
    assert set(quick) <= set(found), f"there is no such row: {set(quick) - set(found)}"
    return [row if row in quick else _slow(row) for row in found]


def _slow(row: Any) -> Any:
    values = row if isinstance(row, tuple) else (row,)
    return pytest.param(*values, marks=pytest.mark.slow)
