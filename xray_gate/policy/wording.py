"""What is wrong with a value, and what to write instead, in the words of the project."""

import difflib
import math
import re
from collections.abc import Mapping
from typing import Any

from xray_gate.core.printable import printable

_MOST_SHOWN = 40

_COMPARED = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "of at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "of at most"),
}
# By the kind of value that pydantic's error names first, as `float_parsing` does.
_KINDS = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "string": "a text",
    "list": "a list, as [a, b]",
    "dict": "a mapping, with a line `key: value` for each",
    "finite": "a number that is finite",
}
_DIGEST = "^sha256:"


def wording(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors as the end of a sentence that begins with the setting's name."""
    kind, context = error["type"], error.get("ctx") or {}
    value = _shown(error["input"])
    if kind in ("literal_error", "enum"):
        return _choice(error["input"], value, str(context["expected"]))
    if kind in _COMPARED:
        name, words = _COMPARED[kind]
        return f"is {value}; write a number {words} {_number(context[name])}"
    if kind in ("too_short", "string_too_short"):
        return f"is {value}, too short; give it at least {context['min_length']}"
    if kind in ("too_long", "string_too_long"):
        return f"is {value}, too long; give it at most {context['max_length']}"
    if kind == "string_pattern_mismatch" and context["pattern"].startswith(_DIGEST):
        return f"is {value}; write `sha256:` and 64 characters of 0-9 and a-f"
    named, _, rest = kind.partition("_")
    if named in _KINDS and rest in ("type", "parsing", "from_float", "number", "parsing_size"):
        return f"is {value}; write {_KINDS[named]}"
    return str(error["msg"]).removeprefix("Value error, ")


def _choice(value: Any, shown: str, expected: str) -> str:
    allowed = re.findall(r"'([^']*)'", expected)
    near = difflib.get_close_matches(str(value), allowed, n=1, cutoff=0.6)
    meant = f"did you mean {near[0]!r}? Allowed: " if near and len(allowed) > 1 else "write "
    return f"is {shown}; {meant}{expected}"


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return f"a mapping of {len(value)}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return f".{str(value).removeprefix('-')}"
    text = printable(repr(value))
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."
