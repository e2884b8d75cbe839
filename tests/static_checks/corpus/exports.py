"""Programs, arrays and schemas that make their readers run code."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.static_checks.corpus.making import Row, file, one, runs, zipped


def program(**changes: Any) -> Callable[[str], bytes]:
    """The parts of a model.json that its reader acts upon, as PyTorch 2.13 writes them."""
    node = {"target": "torch.ops.aten.relu.default", "inputs": [], "outputs": []}
    document: dict[str, Any] = {
        "graph_module": {
            "graph": {"nodes": [node | changes.get("node", {})]},
            "module_call_graph": [
                {"signature": {"in_spec": changes.get("tree", '[1, {"type": null}]')}}
            ],
        },
        "sizes": [{"as_expr": {"expr_str": changes.get("size", "Symbol('s0', integer=True)")}}],
        "guards_code": changes.get("guards", []),
    }
    text = json.dumps(document).encode()
    return lambda _: zipped({"a/models/model.json": text, "a/archive_format": b"pt2"})


def _target(name: str) -> Callable[[Path, str], Path]:
    return file("model.pt2", program(node={"target": name}))


def script(source: bytes, constants: bytes = b"\x80\x02).") -> bytes:
    return zipped(
        {
            "m/data.pkl": b"\x80\x02N.",
            "m/constants.pkl": constants,
            "m/code/__torch__.py": source,
            "m/version": b"3\n",
        }
    )


def _objects() -> bytes:
    target = io.BytesIO()
    np.savez(target, x=np.array([print], dtype=object))
    return target.getvalue()


def _array(header: bytes, length: int | None = None) -> bytes:
    size = len(header) if length is None else length
    return b"\x93NUMPY\x01\x00" + size.to_bytes(2, "little") + header


def _safetensors(length: int | None = None, **tensors: Any) -> bytes:
    header = json.dumps(tensors).encode()
    size = len(header) if length is None else length
    return size.to_bytes(8, "little") + header + bytes(8)


def _schema(module: str, name: str, loader: str) -> bytes:
    node = {"__module__": module, "__class__": name, "__loader__": loader}
    return zipped({"schema.json": json.dumps({"content": [node]}).encode()})


_TENSOR = {"dtype": "F32", "shape": [1]}
_NO_OPERATOR = "which is no operator of PyTorch"
ROWS = [
    Row("target: system", _target("torch.os.system"), rf"calls torch\.os\.system, {_NO_OPERATOR}"),
    Row("target: hub", _target("torch.hub.load"), rf"calls torch\.hub\.load, {_NO_OPERATOR}"),
    Row("target: attribute", _target("_operator.attrgetter"), _NO_OPERATOR),
    Row("target: file", _target("torch.ops.aten.from_file.default"), "which is for files"),
    Row("target: own operator", _target("torch.ops.evil.run.default"), "is not PyTorch's own"),
    Row(
        "size that is evaluated",
        file("model.pt2", program(size="__import__('os').system('true')")),
        "would be evaluated, and is no arithmetic",
    ),
    Row(
        "size without end",
        file("model.pt2", program(size="9**9**9**9")),
        "would be evaluated, and is no arithmetic",
    ),
    Row(
        "guard that is executed",
        file("model.pt2", program(guards=["print(L['image'])"])),
        r"the guard print\(L\['image'\]\) would be evaluated",
    ),
    Row(
        "tree that imports",
        file("model.pt2", program(tree='[1, {"type": "collections.defaultdict"}]')),
        "describes arguments by collections.defaultdict, which may be imported",
    ),
    Row(
        "tree with an enumeration",
        file("model.pt2", program(tree='[1, {"context": "{\\"__enum__\\": true}"}]')),
        "describes arguments by",
    ),
    Row(
        "weights of a program as a pickle",
        file(
            "model.pt2",
            lambda s: zipped(
                {"a/models/model.json": b"{}", "a/data/constants/custom_obj_0": runs(s, 0)}
            ),
        ),
        "custom_obj_0: can be read as a pickle.*exec",
    ),
    Row(
        "script that writes",
        file("model.pt", lambda _: script(b"torch.save(x, '/tmp/x')\n")),
        "calls save, which is for files",
    ),
    Row(
        "script with a foreign class",
        file("model.pt", lambda _: script(b"x = __torch__.torch.classes.evil.Run\n")),
        "uses evil, which is not PyTorch's own",
    ),
    Row(
        "script with a pickle that runs",
        file("model.pt", lambda s: script(b"pass\n", runs(s))),
        r"m/constants\.pkl: is a pickle that imports builtins\.exec",
    ),
    Row(
        "array of objects", one("data/x.npz", lambda _: _objects()), "x.npy: is an array of object"
    ),
    Row(
        "array header without end",
        one("data/x.npy", lambda _: _array(b"{" * 10, 60_000)),
        "has a header of 60000 bytes, which is absurd",
    ),
    Row(
        "array that says too much",
        one(
            "data/x.npy",
            lambda _: _array(b"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999,), }\n"),
        ),
        "is not as long as its header says",
    ),
    Row(
        "safetensors: header too long",
        one("data/m.safetensors", lambda _: _safetensors(2**40)),
        "header has 1099511627776 bytes, which is more than there can be",
    ),
    Row(
        "safetensors: overlap",
        one(
            "data/m.safetensors",
            lambda _: _safetensors(
                a={**_TENSOR, "data_offsets": [0, 4]}, b={**_TENSOR, "data_offsets": [2, 6]}
            ),
        ),
        "has tensors that overlap or leave gaps",
    ),
    Row(
        "safetensors: another size",
        one("data/m.safetensors", lambda _: _safetensors(a={**_TENSOR, "data_offsets": [0, 8]})),
        "gives the tensor a another size than shape",
    ),
    Row(
        "skops: system",
        one("model.skops", lambda _: _schema("os", "system", "ObjectNode")),
        r"names os\.system, which runs code",
    ),
    Row(
        "skops: method",
        one("model.skops", lambda _: _schema("builtins", "list", "MethodNode")),
        "wants to be read by MethodNode",
    ),
]
