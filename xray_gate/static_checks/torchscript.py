"""The source text in TorchScript archives, which PyTorch's own interpreter runs."""

import re

from xray_gate.static_checks.item import Item
from xray_gate.static_checks.looking import Looking, refusal, shown

_LARGEST = 16 * 2**20
# Operators that read or write files, and classes that come with libraries.
_FILES = re.compile(rb"\b(?:torch|aten|ops\.\w+)\s*\.\s*(save|from_file|load|_load\w*)\s*\(")
_CLASSES = re.compile(rb"__torch__\s*\.\s*torch\s*\.\s*classes\s*\.\s*(\w+)")
_OPERATORS = re.compile(rb"\bops\s*\.\s*(\w+)")
_KNOWN_CLASSES = frozenset({b"quantized", b"xnnpack", b"mkldnn"})
_KNOWN_OPERATORS = frozenset({b"aten", b"prim", b"prims", b"quantized", b"torchvision", b"mkldnn"})
_STEP = "export the model to ONNX"


def check_source(item: Item, looking: Looking) -> None:
    """Refuse source that reads or writes files, or needs operators of libraries."""
    if item.size > _LARGEST:
        raise refusal(item.place, "is a source of more than 16 MiB", _STEP)
    text = item.at(0, item.size)
    if found := _FILES.search(text):
        raise refusal(item.place, f"calls {_words(found[1])}, which is for files", _STEP)
    for pattern, known in ((_CLASSES, _KNOWN_CLASSES), (_OPERATORS, _KNOWN_OPERATORS)):
        for found in pattern.finditer(text):
            if found[1] not in known:
                looking.unchecked(
                    item.place, f"uses {_words(found[1])}, which is not PyTorch's own", _STEP
                )


def _words(data: bytes) -> str:
    return shown(data.decode("ascii", "replace"))
