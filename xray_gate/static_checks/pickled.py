"""Whether a file holds a pickle, whatever it is named, and whatever the pickle does."""

from pathlib import Path

from xray_gate.core.errors import InputError, ScanError
from xray_gate.scan.ports import FileRules
from xray_gate.static_checks import kinds
from xray_gate.static_checks.arrays import NUMPY, check_numpy
from xray_gate.static_checks.check import opened
from xray_gate.static_checks.folder import files_of
from xray_gate.static_checks.item import Item
from xray_gate.static_checks.looking import Looking, refusal, shown
from xray_gate.static_checks.pickles.known import could_be_imported
from xray_gate.static_checks.pickles.machine import Found, Machine
from xray_gate.static_checks.pickles.reading import Malformed
from xray_gate.static_checks.unpacking import is_stream, unpacked_entry, unpacked_stream
from xray_gate.static_checks.zip_layout import LOCAL, entries_of, has_directory

_MOST_DEPTH = 4
_STEP = "export the model to ONNX, or store numbers and texts as such"
_LOOK = "unpack it, so that it can be looked into"


class Pickled(ScanError):
    """A file holds a pickle; the text names the place and what to do."""


def require_no_pickle(path: Path, rules: FileRules) -> None:
    """Look through one file; raises `Pickled` where it, or what it packs, holds a pickle.

    Raises `ScanError` for what cannot be looked into, and `InputError` for what cannot be read.
    """
    sizes = files_of(path, rules)
    looking = Looking(rules)
    for name, size in sizes.items():
        try:
            with opened(path) as file:
                looking.spend_bytes(shown(name), size)
                _look(Item(shown(name), name, file, size), looking)
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read ({error.strerror}); check its permissions"
            ) from error


def _look(item: Item, looking: Looking) -> None:
    if item.size == 0:
        return
    if item.depth > _MOST_DEPTH:
        raise refusal(item.place, f"is packed more than {_MOST_DEPTH} times", _LOOK)
    if item.at(0, 4) == LOCAL or has_directory(item):
        for entry in entries_of(item, looking):
            with unpacked_entry(item, entry, looking) as file:
                _look(item.within(entry.name, file, entry.size, raw=False), looking)
        return
    if words := kinds.packed_kind(item):
        raise refusal(item.place, f"is {words}, which is not looked into", _LOOK)
    stream = kinds.stream_kind(item)
    if stream is not None and is_stream(item, stream):
        with unpacked_stream(item, stream, looking) as (file, size):
            _look(item.within(stream, file, size, raw=False), looking)
        return
    if item.at(0, 6) == NUMPY:
        try:
            check_numpy(item, looking)
        except ScanError as error:
            # What the rules of a policy would allow is of no matter here.
            raise Pickled(f"{str(error).partition('; ')[0]}; {_STEP}") from error
        return
    _look_for_opcodes(item, looking)


def _look_for_opcodes(item: Item, looking: Looking) -> None:
    """By what an unpickler would make of it: the end, or a call before something breaks."""
    start = item.at(0, 2)
    marked = len(start) == 2 and start[0] == 0x80 and start[1] <= 5
    item.file.seek(0)
    machine = Machine(item.file, item.size, looking, item.place)
    try:
        machine.run()
    except Malformed as error:
        if _calls(machine.found):
            raise Pickled(
                f"{item.place}: can be read as a pickle, which calls something; {_STEP}"
            ) from error
        if marked:
            raise refusal(
                item.place, f"begins as a pickle, and is no whole one ({error})", "save it again"
            ) from error
        return
    # One opcode is no pickle but a text that begins with a full stop.
    if marked or _calls(machine.found) or item.file.tell() == item.size > 1:
        raise Pickled(f"{item.place}: is a pickle; {_STEP}")


def _calls(found: Found) -> bool:
    """Whether anything is called before an import fails: in a text, one does."""
    call = found.called_at
    return call is not None and all(
        could_be_imported(imported) for imported, at in found.imports.items() if at <= call
    )
