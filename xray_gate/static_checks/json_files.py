"""JSON documents inside models, read within bounds."""

import json
from collections.abc import Iterator
from typing import Any

from xray_gate.static_checks.item import Item
from xray_gate.static_checks.looking import refusal

_LARGEST = 8 * 2**20
_STEP = "export the model again"


def read_json(item: Item, largest: int = _LARGEST) -> Any:
    """The document; raises `ScanError` for one that is too large, too deep or no JSON."""
    if item.size > largest:
        raise refusal(item.place, f"is a JSON document of more than {largest // 2**20} MiB", _STEP)
    return parse_json(item.place, item.at(0, item.size))


def parse_json(place: str, text: bytes | str) -> Any:
    """As `read_json`, of text; a name that stands twice in one object is refused."""
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise refusal(place, "is no JSON document that parsers read alike", _STEP) from error


def pairs_of(document: Any) -> Iterator[tuple[str, Any]]:
    """Every name and value of every object in the document, however deep."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value.items()
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found
