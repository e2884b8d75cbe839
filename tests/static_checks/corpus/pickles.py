"""Pickles that run code, in the ways that scanners have missed."""

import bz2
import gzip
import io
import lzma
import pickle
import zlib
from pathlib import Path
from typing import Any

import cloudpickle
import torch

from tests.static_checks.corpus.making import (
    BENIGN,
    Row,
    mlflow_model,
    one,
    runs,
    torch_archive,
    zipped,
)

_EXEC = r"imports (builtins|__builtin__)\.exec \(byte \d+\): it runs code; do not load it"


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def _short(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def _by_inst(source: str) -> bytes:
    return (
        b"(V"
        + source.encode("raw_unicode_escape").replace(b"\n", b"\\u000a")
        + (b"\ni__builtin__\nexec\n.")
    )


def _by_obj(source: str) -> bytes:
    return b"\x80\x02(cbuiltins\nexec\n" + _text(source) + b"o."


def _by_newobj(_: str) -> bytes:
    return b"\x80\x02csubprocess\nPopen\n" + _text("true") + b"\x85\x81."


def _by_newobj_ex(_: str) -> bytes:
    return (
        b"\x80\x04"
        + _short("subprocess")
        + _short("Popen")
        + b"\x93"
        + (_text("true") + b"\x85}\x92.")
    )


def _by_extension(_: str) -> bytes:
    return b"\x80\x02\x82\x01)R."


def _by_memo(source: str) -> bytes:
    """The names lie far from the import, between others that are harmless."""
    names = b"".join(
        _short(name) + b"\x94" for name in ("exec", "collections", "builtins", "OrderedDict")
    )
    return b"\x80\x04" + names + b"0000" + b"h\x02h\x00\x93" + _text(source) + b"\x85R."


def _by_memo_written_twice(source: str) -> bytes:
    """A scanner that takes the first value of a place sees `collections`."""
    place = _short("collections") + b"q\x050" + _short("builtins") + b"q\x050"
    return b"\x80\x04" + place + b"h\x05" + _short("exec") + b"\x93" + _text(source) + b"\x85R."


def _by_computed_name(source: str) -> bytes:
    name = b"c_codecs\nencode\n" + _text("builtins") + _text("latin1") + b"\x86R"
    return b"\x80\x04" + name + _short("exec") + b"\x93" + _text(source) + b"\x85R."


def _by_text_names(source: str) -> bytes:
    """Strings of protocol 0 are texts, too."""
    return b"Vbuiltins\nVexec\n\x93" + _text(source) + b"\x85R."


def _broken_afterwards(source: str) -> bytes:
    return runs(source)[:-1] + b"\xff\xff"


def _second(source: str) -> bytes:
    return BENIGN + runs(source)


def _legacy(source: str) -> bytes:
    target = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, target, _use_new_zipfile_serialization=False)
    honest = target.getvalue()
    start = io.BytesIO(honest)
    for _ in range(3):
        pickle.load(start)
    return honest[: start.tell()] + runs(source, 2) + honest[start.tell() :]


def _calls_a_result(source: str) -> bytes:
    inner = b"cfunctools\npartial\ncbuiltins\ndict\n\x85R"
    return b"\x80\x02" + inner + _text(source) + b"\x85R."


def _changes_a_class(_: str) -> bytes:
    return b"\x80\x02ctorch.nn.modules.linear\nLinear\nN}" + _text("forward") + b"Ns\x86b."


def _reference(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode() + b")R."


def _nested(source: str) -> bytes:
    inner = torch_archive(runs(source))
    return zipped({"a/models/model.json": b"{}", "a/data/sample_inputs/model.pt": inner})


class _Model:
    def __init__(self, source: str) -> None:
        self.source = source

    def predict(self, images: Any) -> Any:
        exec(self.source)
        return images


# By value, as for classes of a notebook.
_Model.__module__ = "__main__"


def _by_value(folder: Path, source: str) -> Path:
    return mlflow_model(
        folder,
        {"python_model.pkl": cloudpickle.dumps(_Model(source))},
        "flavors: {python_function: {loader_module: mlflow.pyfunc.model, "
        "python_model: python_model.pkl}}",
    )


def _thrice(source: str) -> bytes:
    return gzip.compress(gzip.compress(gzip.compress(runs(source))))


_MODEL = "data/model.pth"
ROWS = [
    Row("torch archive, protocol 4", one(_MODEL, lambda s: torch_archive(runs(s))), _EXEC),
    Row("torch archive, protocol 2", one(_MODEL, lambda s: torch_archive(runs(s, 2))), _EXEC),
    Row("bare pickle", one(_MODEL, runs), _EXEC),
    Row("text pickle", one("notes.txt", lambda s: runs(s, 0)), "can be read as a pickle.*exec"),
    Row("pickle without a suffix", one("README", lambda s: runs(s, 5)), _EXEC),
    Row("pickle named as a picture", one("logo.png", lambda s: runs(s, 3)), _EXEC),
    Row("INST", one(_MODEL, _by_inst), _EXEC),
    Row("OBJ", one(_MODEL, _by_obj), _EXEC),
    Row("NEWOBJ", one(_MODEL, _by_newobj), r"imports subprocess\.Popen"),
    Row("NEWOBJ_EX", one(_MODEL, _by_newobj_ex), r"imports subprocess\.Popen"),
    Row("EXT1", one(_MODEL, _by_extension), "something whose name it computes"),
    Row("names out of the memo", one(_MODEL, _by_memo), _EXEC),
    Row("memo written twice", one(_MODEL, _by_memo_written_twice), _EXEC),
    Row("computed name", one(_MODEL, _by_computed_name), "something whose name it computes"),
    Row("names as old texts", one("a.txt", _by_text_names), "something whose name it computes"),
    Row("broken behind the call", one(_MODEL, _broken_afterwards), _EXEC),
    Row("second pickle in a row", one(_MODEL, _second), _EXEC),
    Row("legacy stream of torch.save", one(_MODEL, _legacy), _EXEC),
    Row("zlib", one("model.joblib", lambda s: zlib.compress(runs(s))), f"> zlib: .*{_EXEC}"),
    Row("gzip", one("model.bin", lambda s: gzip.compress(runs(s))), f"> gzip: .*{_EXEC}"),
    Row("bzip2", one("model.bin", lambda s: bz2.compress(runs(s))), f"> bzip2: .*{_EXEC}"),
    Row("xz", one("model.bin", lambda s: lzma.compress(runs(s))), f"> xz: .*{_EXEC}"),
    Row(
        "lzma",
        one("m.lzma", lambda s: lzma.compress(runs(s), format=lzma.FORMAT_ALONE)),
        f"> xz: .*{_EXEC}",
    ),
    Row("gzip, three times", one("m.bin", _thrice), "is compressed more than twice; export"),
    Row("archive in an archive", one("data/model.pt2", _nested), f"model.pt > m/data.pkl.*{_EXEC}"),
    Row("calls what a call gave", one(_MODEL, _calls_a_result), "calls what it computed"),
    Row("changes a class", one(_MODEL, _changes_a_class), "changes what it imported"),
    Row("class of a notebook", _by_value, "cloudpickle.*unsafe_unchecked_code: true"),
    Row(
        "class of the user's own",
        one(_MODEL, lambda _: _reference("my_models", "Net")),
        r"imports my_models\.Net .* cannot be checked; export the model to ONNX",
    ),
    Row(
        "pickle in a pickle",
        one(_MODEL, lambda _: _reference("torch.storage", "_load_from_bytes")),
        r"imports torch\.storage\._load_from_bytes",
    ),
    Row(
        "way through an attribute",
        one(
            _MODEL,
            lambda _: (
                b"\x80\x04"
                + _short("torch.nn.modules.module")
                + (_short("Module.forward.__globals__") + b"\x93.")
            ),
        ),
        r"imports torch\.nn\.modules\.module\.Module\.forward\.__globals__",
    ),
    Row("getattr", one(_MODEL, lambda _: _reference("builtins", "getattr")), "builtins.getattr"),
    Row(
        "class of a library for TorchScript",
        one(_MODEL, lambda _: _reference("__torch__.torch.classes.evil", "Run")),
        r"imports __torch__\.torch\.classes\.evil\.Run",
    ),
    Row(
        "module among the layers",
        one(_MODEL, lambda _: _reference("torch.nn.modules.activation", "F")),
        r"imports torch\.nn\.modules\.activation\.F",
    ),
    Row("cut off", one(_MODEL, lambda s: BENIGN[:-1]), r"is no whole pickle \(no STOP"),
    Row("bytes behind the pickle", one(_MODEL, lambda s: BENIGN + b"\0\0"), "is no whole pickle"),
    Row(
        "a name that steers the terminal",
        one(_MODEL, lambda _: b"\x80\x02cevil\x1b[2J\r\nNet\n)R."),
        r"imports evil \[2J\.Net",
    ),
]
