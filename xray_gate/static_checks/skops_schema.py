"""The schema of skops's archives: which classes it would import and make."""

from xray_gate.static_checks.item import Item
from xray_gate.static_checks.json_files import read_json
from xray_gate.static_checks.looking import Looking, refusal, shown
from xray_gate.static_checks.pickles.known import builds_models_only, never_in_a_model
from xray_gate.static_checks.pickles.machine import Import

# Which of skops's readers takes a node; those that are left out make functions or run reducers.
_LOADERS = frozenset(
    {
        *("BytearrayNode", "BytesNode", "CachedNode", "DTypeNode", "DefaultDictNode", "DictNode"),
        *("JsonNode", "ListNode", "LossNode", "MaskedArrayNode", "NdArrayNode", "ObjectNode"),
        *("QuantileForestNode", "RandomGeneratorNode", "RandomStateNode", "SetNode", "SliceNode"),
        *("SparseMatrixNode", "TreeNode", "TupleNode", "TypeNode"),
    }
)
_STEP = "export the model to ONNX"


def check_schema(item: Item, looking: Looking) -> None:
    """Refuse a schema that names what is not known to do nothing but build a model."""
    waiting = [read_json(item)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        if isinstance(node, dict):
            waiting.extend(node.values())
            _check_node(item, node, looking)


def _check_node(item: Item, node: dict[str, object], looking: Looking) -> None:
    named = [node.get(name) for name in ("__module__", "__class__", "__loader__") if name in node]
    if not named:
        return
    if not all(isinstance(name, str) for name in named):
        raise refusal(item.place, "names a class by something else than text", _STEP)
    found = Import(str(node.get("__module__")), str(node.get("__class__")))
    said = f"names {shown(found.module)}.{shown(found.name)}"
    if never_in_a_model(found):
        raise refusal(item.place, f"{said}, which runs code", "do not load it")
    if not builds_models_only(found):
        looking.unchecked(item.place, f"{said}, which cannot be checked", _STEP)
    loader = str(node.get("__loader__"))
    if loader not in _LOADERS:
        looking.unchecked(item.place, f"wants to be read by {shown(loader)}", _STEP)
