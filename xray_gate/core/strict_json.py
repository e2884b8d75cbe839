"""JSON that means the same to every reader: hostile texts are refused, odd strings made plain."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, NoReturn


def loads_strictly(text: str | bytes) -> Any:
    """The value of a JSON text; bytes are UTF-8.

    ValueError for what is no JSON, or what readers understand differently: keys given twice, NaN,
    infinities, numbers beyond a float, nesting that is too deep.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    try:
        return json.loads(
            text, parse_constant=_not_finite, parse_float=_finite, object_pairs_hook=_unique_keys
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def json_values(value: Any) -> Any:
    """Mappings as dicts, tuples as lists, enums as strings, no lone surrogates (odd file names)."""
    if isinstance(value, str):
        return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, Mapping):
        return {json_values(str(key)): json_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_values(item) for item in value]
    return value


def _finite(literal: str) -> float:
    value = float(literal)
    return value if math.isfinite(value) else _not_finite(literal)


def _not_finite(literal: str) -> NoReturn:
    raise ValueError(f"the number {literal[:40]} is not finite")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Which of two values counts differs between readers, so one of them could be shown a pass.
    unique = dict(pairs)
    if len(unique) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {twice[:80]!r} stands there twice")
    return unique
