"""The look at a model, file by file: the adapter behind `scan.ports.FileCheck`."""

import os
from pathlib import Path
from typing import BinaryIO

from xray_gate.core.errors import InputError
from xray_gate.scan.ports import FileRules
from xray_gate.static_checks import kinds
from xray_gate.static_checks.archives import check_archive
from xray_gate.static_checks.arrays import NUMPY, check_numpy, check_safetensors
from xray_gate.static_checks.folder import files_of
from xray_gate.static_checks.item import Item
from xray_gate.static_checks.looking import Looking, refusal, shown
from xray_gate.static_checks.mlmodel import check_mlmodel, check_pickle_module
from xray_gate.static_checks.onnx.model import check_onnx
from xray_gate.static_checks.pickles.files import check_pickle, check_unlikely_pickle, is_pickle
from xray_gate.static_checks.unpacking import is_stream, unpacked_stream
from xray_gate.static_checks.zip_layout import LOCAL, has_directory

_MOST_STREAMS = 2
_STEP = "export the model to ONNX, or remove the file if the model does without it"


def check_files(path: Path, rules: FileRules) -> None:
    """Look at every file of the model at `path`, a file or a folder, before it is loaded.

    Raises `ScanError`, which names the file, the place in it and the next step, for what must not
    be loaded and for what cannot be checked; `InputError` for what cannot be read.
    """
    sizes = files_of(path, rules)
    looking = Looking(rules)
    is_folder = path.is_dir()
    # Files that hold weights of ONNX files, which say where.
    raw: set[str] = set()
    for name in sorted(sizes, key=lambda one: not one.lower().endswith(".onnx")):
        size = sizes[name]
        if size == 0:
            continue
        place = path / name if is_folder else path
        try:
            with opened(place) as file:
                item = Item(shown(name), name, file, size, raw=name in raw, siblings=sizes)
                looking.spend_bytes(item.place, size)
                raw |= _look_at_file(item, looking)
        except OSError as error:
            raise InputError(
                f"{place}: cannot be read ({error.strerror}); check its permissions"
            ) from error


def opened(path: Path) -> BinaryIO:
    """A regular file; neither a link nor a pipe that took its place since it was looked for."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


def _look_at_file(item: Item, looking: Looking) -> frozenset[str]:
    """Look at a file on disk; the paths of files that may hold raw numbers."""
    last = item.name.rpartition("/")[2]
    if last == "MLmodel":
        check_mlmodel(item, looking)
    if last == "pickle_module_info.txt":
        check_pickle_module(item, looking)
    if kinds.is_code(item):
        looking.unchecked(item.place, "is code, which cannot be checked", _STEP)
    if item.suffix == ".onnx" and not kinds.is_pointer(item):
        _look_for_others(item)
        return check_onnx(item, looking)
    look(item, looking)
    return frozenset()


def _look_for_others(item: Item) -> None:
    if has_directory(item):
        raise refusal(item.place, "is an archive as well, appended to something else", _STEP)


def look(item: Item, looking: Looking) -> None:
    """Refuse content that is dangerous or of no kind that can be checked."""
    if item.size == 0:
        return
    if item.at(0, 4) == LOCAL or has_directory(item):
        check_archive(item, looking, look)
        return
    if words := kinds.native_kind(item):
        raise refusal(item.place, f"is {words}, which is code", _STEP)
    # Nobody unpacks weights, which may begin like anything.
    if not item.raw and (words := kinds.packed_kind(item)):
        looking.unchecked(item.place, f"is {words}, which is not looked into", _STEP)
        return
    stream = None if item.raw else kinds.stream_kind(item)
    if stream is not None and is_stream(item, stream):
        _look_into_stream(item, stream, looking)
        return
    _look_at_plain(item, looking)


def _look_into_stream(item: Item, stream: str, looking: Looking) -> None:
    if item.depth >= _MOST_STREAMS:
        raise refusal(item.place, "is compressed more than twice", _STEP)
    with unpacked_stream(item, stream, looking) as (file, size):
        look(item.within(stream, file, size, raw=False), looking)


def _look_at_plain(item: Item, looking: Looking) -> None:
    if item.at(0, 6) == NUMPY:
        check_numpy(item, looking)
    elif item.suffix == ".safetensors":
        check_safetensors(item)
    elif is_pickle(item):
        check_pickle(item, looking)
    else:
        check_unlikely_pickle(item, looking)
        if not (item.raw or kinds.is_image(item) or kinds.is_text(item)):
            looking.unchecked(item.place, "is of no kind that can be looked into", _STEP)
