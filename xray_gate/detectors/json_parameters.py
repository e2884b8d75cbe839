"""Parameters of detectors, read from JSON values."""

from collections.abc import Mapping, Sequence
from typing import Any

from xray_gate.core.errors import InputError


def require_known(detector: str, known: Sequence[str], data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `data`; raises `InputError` for a key that is not in `known`."""
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise InputError(f"{detector}: no parameter {unknown[0]!r}; use one of {', '.join(known)}")
    return dict(data)


def with_names(
    detector: str, known: Sequence[str], data: Mapping[str, Any], names_key: str
) -> dict[str, Any]:
    """The values of `data`, with the list of names under `names_key`, if there, as a tuple.

    Raises `InputError` for a key that is not in `known` and for names that are no list of strings.
    """
    values = require_known(detector, known, data)
    if names_key in values:
        names = values[names_key]
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{detector}: {names_key} is {names!r}; give a list of names")
        values[names_key] = tuple(names)
    return values
