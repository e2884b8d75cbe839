"""Whether a model says of itself that it is no classifier of images.

Only what stands in its MLmodel counts, and only what is clear: what cannot be read, or could be a
classifier after all, is scanned. A model that merely says so is not scanned either, and therefore
not admitted, unless a policy's `unsafe_` rule does.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xray_gate.core.errors import InputError
from xray_gate.scan.mlmodel import flavours_of, read_mlmodel

_WRAPPER = "python_function"
# MLflow's flavours for language models, agents, time series and statistics.
_NO_CLASSIFIERS = frozenset(
    {
        *("langchain", "llama_index", "openai", "dspy", "sentence_transformers", "spacy"),
        *("prophet", "pmdarima", "diviner", "statsmodels"),
    }
)
_NUMBERS = frozenset({"float16", "float32", "float64"})
_CELLS = frozenset({"double", "float", "integer", "long", "boolean", "string", "datetime"})


def why_not_applicable(path: Path) -> str | None:
    """What the model at `path` says that makes it no classifier of images; None where nothing does.

    Its flavours are none that classify images; or its signature takes cells of a table, text or
    flat numbers, or gives one number for each sample.
    """
    flavours = set(flavours_of(path) or ()) - {_WRAPPER}
    if flavours and flavours <= _NO_CLASSIFIERS:
        return f"its flavour is {', '.join(sorted(flavours))}, which is none for images"
    try:
        document = read_mlmodel(path / "MLmodel")
    except InputError:
        return None
    signature = document.get("signature")
    if not isinstance(signature, dict):
        return None
    return _of_inputs(_specs(signature, "inputs")) or _of_outputs(_specs(signature, "outputs"))


def _of_inputs(specs: list[Mapping[str, Any]]) -> str | None:
    if specs and all(spec.get("type") in _CELLS for spec in specs):
        return "its signature takes cells of a table or text, and no images"
    tensor = _tensor(specs)
    if tensor is None:
        return None
    dtype, shape = tensor
    if dtype == "str" or len(shape) < 3:
        return f"its signature takes {dtype} of shape {shape}, and no images"
    return None


def _of_outputs(specs: list[Mapping[str, Any]]) -> str | None:
    if len(specs) == 1 and specs[0].get("type") in ("double", "float"):
        return "its signature gives one number for each sample, and neither scores nor a label"
    tensor = _tensor(specs)
    if tensor is None:
        return None
    dtype, shape = tensor
    if dtype in _NUMBERS and (len(shape) == 1 or shape[1:] == [1]):
        return f"its signature gives {dtype} of shape {shape}, and neither scores nor a label"
    return None


def _tensor(specs: list[Mapping[str, Any]]) -> tuple[str, list[int]] | None:
    """Type and shape of the only tensor there is, or None."""
    spec = specs[0].get("tensor-spec") if len(specs) == 1 else None
    if not isinstance(spec, dict) or specs[0].get("type") != "tensor":
        return None
    dtype, shape = spec.get("dtype"), spec.get("shape")
    if not isinstance(dtype, str) or not isinstance(shape, list) or not shape:
        return None
    if not all(isinstance(size, int) for size in shape):
        return None
    return dtype[:20], shape


def _specs(signature: Mapping[str, Any], side: str) -> list[Mapping[str, Any]]:
    """One side of a signature, which MLmodel holds as JSON in text; none where it is not that."""
    try:
        specs = json.loads(signature.get(side) or "null")
    except (ValueError, TypeError, RecursionError):
        return []
    if not isinstance(specs, list) or not all(isinstance(spec, dict) for spec in specs):
        return []
    return specs
