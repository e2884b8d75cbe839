"""Whether what is, or could be, a pickle does nothing but build a model."""

from xray_gate.static_checks.item import Item
from xray_gate.static_checks.looking import Looking, refusal, shown
from xray_gate.static_checks.pickles.known import (
    builds_models_only,
    could_be_imported,
    never_in_a_model,
)
from xray_gate.static_checks.pickles.machine import Found, Import, Machine
from xray_gate.static_checks.pickles.reading import Malformed

_SUFFIXES = frozenset(
    {".pkl", ".pickle", ".pth", ".pt", ".ckpt", ".joblib", ".sav", ".cloudpickle", ".debug_pkl"}
)
_STEP = "export the model to ONNX or log it with its weights only"
_REMOVE = "do not load it, and find out where it comes from"
# A file that torch.save wrote before it wrote archives: magic number, protocol, facts about the
# system, the object and the names of its storages, whose raw bytes follow.
_PARTS_OF_LEGACY_TORCH = 5
_MOST_PICKLES = 1000


def is_pickle(item: Item) -> bool:
    """Whether the content begins as a pickle of protocol 2 or later, or is named as one."""
    start = item.at(0, 2)
    marked = len(start) == 2 and start[0] == 0x80 and start[1] <= 5
    # Weights may begin with the same two bytes.
    return (marked and not item.raw) or item.suffix in _SUFFIXES


def check_pickle(item: Item, looking: Looking) -> None:
    """Refuse a pickle, or several in a row, unless all they do is build a model."""
    item.file.seek(0)
    parts = 0
    legacy = False
    while item.file.tell() < item.size:
        if legacy and parts == _PARTS_OF_LEGACY_TORCH:
            return
        if parts >= _MOST_PICKLES:
            looking.unchecked(item.place, f"holds more than {_MOST_PICKLES} pickles", _STEP)
            return
        start = item.file.tell()
        machine = Machine(item.file, item.size, looking, item.place)
        try:
            machine.run()
        except Malformed as error:
            # What stands before the break has been executed by then.
            _judge(item, machine.found, looking)
            looking.unchecked(
                item.place,
                f"is no whole pickle ({error}, in the one that begins at byte {start})",
                _STEP,
            )
            return
        _judge(item, machine.found, looking)
        legacy |= parts == 0 and machine.found.legacy_torch
        parts += 1


def check_unlikely_pickle(item: Item, looking: Looking) -> None:
    """Refuse content that looks like something else, and that an unpickler would run."""
    item.file.seek(0)
    for _ in range(_MOST_PICKLES):
        machine = Machine(item.file, item.size, looking, item.place)
        try:
            machine.run()
        except Malformed:
            if machine.found.called_at is not None:
                _judge(item, machine.found, looking, unlikely=True)
            return
        _judge(item, machine.found, looking, unlikely=True)
    looking.unchecked(item.place, f"can be read as more than {_MOST_PICKLES} pickles", _STEP)


def _judge(item: Item, found: Found, looking: Looking, *, unlikely: bool = False) -> None:
    what = "can be read as a pickle, which" if unlikely else "is a pickle that"
    for imported, at in found.imports.items():
        if unlikely and not could_be_imported(imported):
            # Text: the import would fail, and nothing after it would run.
            return
        if builds_models_only(imported):
            continue
        said = f"{what} imports {_called(imported)} (byte {at})"
        if never_in_a_model(imported):
            raise refusal(item.place, f"{said}: it runs code", _REMOVE)
        looking.unchecked(item.place, f"{said}: what that does cannot be checked", _STEP)
    for odd, at in found.odd.items():
        looking.unchecked(item.place, f"{what} {odd} (byte {at})", _STEP)


def _called(imported: Import) -> str:
    if imported == Import("", ""):
        return "something whose name it computes"
    return f"{shown(imported.module)}.{shown(imported.name)}"
