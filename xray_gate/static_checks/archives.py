"""Archives of the kinds that models are saved in; every entry is looked at."""

import re
from collections.abc import Callable, Sequence

from xray_gate.static_checks.exported import check_exported
from xray_gate.static_checks.item import Item
from xray_gate.static_checks.looking import Looking, refusal
from xray_gate.static_checks.skops_schema import check_schema
from xray_gate.static_checks.torchscript import check_source
from xray_gate.static_checks.unpacking import unpacked_entry
from xray_gate.static_checks.zip_layout import entries_of

_MOST_DEPTH = 3
_WEIGHTS = re.compile(r"(\.?data/.+|[a-z]+/[0-9]+|xl_model_weights/.+)")

Look = Callable[[Item, Looking], None]


def check_archive(item: Item, looking: Looking, look: Look) -> None:
    """Refuse an archive that is malformed, of no known kind, or holds what is refused itself.

    `look` is asked about each entry.
    """
    if item.depth >= _MOST_DEPTH:
        raise refusal(
            item.place,
            f"lies in {_MOST_DEPTH} archives, one inside the other",
            "save the model again",
        )
    entries = entries_of(item, looking)
    kind = _kind([entry.name for entry in entries])
    if kind is None:
        looking.unchecked(
            item.place,
            "is an archive of no kind that can be looked into (PyTorch's, NumPy's and skops's can)",
            "save the model in one of these forms, or export it to ONNX",
        )
    for entry in entries:
        with unpacked_entry(item, entry, looking) as file:
            inner = item.within(entry.name, file, entry.size, raw=kind == "torch")
            look(inner, looking)
            _look_by_kind(kind, inner, looking)


def _kind(names: Sequence[str]) -> str | None:
    if names and all(name.endswith(".npy") for name in names):
        return "numpy"
    if "schema.json" in names:
        return "skops"
    inside = {name.partition("/")[2] for name in names} | set(names)
    of_torch = {"data.pkl", "constants.pkl", "models/model.json", "archive_format"}
    if inside & (of_torch | {"serialized_exported_program.json"}):
        return "torch"
    return None


def _look_by_kind(kind: str | None, item: Item, looking: Looking) -> None:
    if kind == "skops" and item.name == "schema.json":
        check_schema(item, looking)
    if kind != "torch":
        return
    if item.suffix == ".json":
        check_exported(item, looking)
    if item.suffix == ".py":
        check_source(item, looking)
