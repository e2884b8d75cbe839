"""Values out of statistics and thresholds: other versions have written them too, in their shape.

Each function gives the value where it is what the name says, and nothing where it is not.
"""

from collections.abc import Mapping, Sequence
from typing import Any

_LARGEST = 1e300
_LARGEST_LABEL = 10**8


def as_number(value: object) -> float | None:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # NaN fails the comparison too; numbers near the end of the range would overflow when drawn.
    return float(value) if abs(value) <= _LARGEST else None


def as_share(value: object) -> float | None:
    """A number in [0, 1]."""
    number = as_number(value)
    return number if number is not None and 0 <= number <= 1 else None


def as_count(value: object) -> int | None:
    """A whole number, 0 or more."""
    number = as_number(value)
    return int(number) if number is not None and number >= 0 and number == int(number) else None


def as_label(value: object) -> int | None:
    """A label: a whole number, 0 or more, of at most eight digits."""
    count = as_count(value)
    return count if count is not None and count < _LARGEST_LABEL else None


def as_text(value: object) -> str | None:
    """A string."""
    return value if isinstance(value, str) else None


def as_mapping(value: object) -> Mapping[str, Any]:
    """A mapping, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[Any]:
    """A list, or an empty one."""
    return list(value) if isinstance(value, (list, tuple)) else []


def as_labelled(value: object) -> list[tuple[int, Any]]:
    """Labels and their values, out of a list over labels or a mapping; else nothing."""
    if not isinstance(value, Mapping):
        return list(enumerate(as_list(value)))
    return [(int(key), item) for key, item in value.items() if _is_label(str(key))]


def as_table(statistics: Mapping[str, Any], columns: Sequence[str]) -> dict[int, dict[str, Any]]:
    """For each label that any of the columns knows, in order, its entries; None where one lacks."""
    found = {name: dict(as_labelled(statistics.get(name))) for name in columns}
    labels = sorted(set().union(*found.values()))
    return {
        label: {name: entries.get(label) for name, entries in found.items()} for label in labels
    }


def _is_label(text: str) -> bool:
    return text.isdecimal() and len(text) < len(str(_LARGEST_LABEL))
