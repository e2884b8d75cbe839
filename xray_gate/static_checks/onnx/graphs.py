"""Graphs, nodes and functions in ONNX files (`onnx.proto`: GraphProto, NodeProto, FunctionProto).

Loops are let through: how often they run follows from data, and a wide layer can take as long. The
process that holds the model has its limits on time and memory for both.
"""

from collections import Counter
from dataclasses import dataclass, field

from xray_gate.static_checks.looking import Looking, refusal, shown
from xray_gate.static_checks.onnx.tensors import check_tensor, check_type, check_value
from xray_gate.static_checks.onnx.wire import Span, Wire

Operator = tuple[str, str]

_MOST_DEPTH = 12
_MOST_OPERATORS = 5_000
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15
_VALUES = frozenset({11, 12, 13})
_OP_TYPE, _DOMAIN, _ATTRIBUTE = 4, 7, 5
_TENSOR, _GRAPH, _TENSORS, _GRAPHS, _TYPE, _TYPES = 5, 6, 10, 11, 14, 15
_SPARSE_TENSOR, _SPARSE_TENSORS = 22, 23
_FUNCTION_NAME, _FUNCTION_NODE, _FUNCTION_DOMAIN, _FUNCTION_DEFAULT, _FUNCTION_VALUE = (
    *(1, 7, 10, 11),
    12,
)
_DOMAINS = frozenset(
    {
        *("", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview", "com.microsoft"),
        *("com.microsoft.nchwc", "com.ms.internal.nhwc"),
    }
)
# Operators of onnxruntime's own that run Python or load compiled programs from files.
_RUN_CODE = frozenset({"EPContext", "PythonOp", "PythonOpGrad", "ATen", "TritonOp"})
_STEP = "export the model again, with operators of ONNX only"


@dataclass
class Seen:
    """What was met: operators by how often, and files with data of tensors."""

    operators: Counter[Operator] = field(default_factory=Counter)
    files: set[str] = field(default_factory=set)


class Graphs:
    """Walks the graphs of one file; each raises `ScanError` for what must not be loaded."""

    def __init__(self, wire: Wire, looking: Looking) -> None:
        self._wire = wire
        self._looking = looking

    def graph(self, message: Span, seen: Seen, depth: int = 0) -> None:
        """A graph and those in its nodes, at most twelve deep."""
        if depth > _MOST_DEPTH:
            raise refusal(
                self._wire.item.place,
                f"has graphs that are nested more than {_MOST_DEPTH} deep",
                _STEP,
            )
        for part in self._wire.fields(message):
            if part.number == _NODE:
                self._node(part.span, seen, depth)
            elif part.number == _INITIALIZER:
                self._tensor(part.span, seen)
            elif part.number == _SPARSE:
                self._sparse(part.span, seen)
            elif part.number in _VALUES:
                check_value(self._wire, part.span)

    def function(self, message: Span, seen: Seen) -> Operator:
        """A function of the model's own; what it is called by."""
        names = {_FUNCTION_NAME: "", _FUNCTION_DOMAIN: ""}
        for part in self._wire.fields(message, frozenset(names)):
            if part.number in names:
                names[part.number] = self._wire.text(part)
            elif part.number == _FUNCTION_NODE:
                self._node(part.span, seen, 0)
            elif part.number == _FUNCTION_DEFAULT:
                self._attribute(part.span, seen, 0)
            elif part.number == _FUNCTION_VALUE:
                check_value(self._wire, part.span)
        return names[_FUNCTION_DOMAIN], names[_FUNCTION_NAME]

    def _node(self, message: Span, seen: Seen, depth: int) -> None:
        names = {_OP_TYPE: "", _DOMAIN: ""}
        for part in self._wire.fields(message, frozenset(names)):
            if part.number in names:
                names[part.number] = self._wire.text(part)
            elif part.number == _ATTRIBUTE:
                self._attribute(part.span, seen, depth)
        seen.operators[names[_DOMAIN], names[_OP_TYPE]] += 1
        if len(seen.operators) > _MOST_OPERATORS:
            raise self._wire.refused(f"uses more than {_MOST_OPERATORS} kinds of operators")

    def _attribute(self, message: Span, seen: Seen, depth: int) -> None:
        for part in self._wire.fields(message, frozenset({_TENSOR, _GRAPH, _TYPE, _SPARSE_TENSOR})):
            if part.number in (_GRAPH, _GRAPHS):
                self.graph(part.span, seen, depth + 1)
            elif part.number in (_TENSOR, _TENSORS):
                self._tensor(part.span, seen)
            elif part.number in (_SPARSE_TENSOR, _SPARSE_TENSORS):
                self._sparse(part.span, seen)
            elif part.number in (_TYPE, _TYPES):
                check_type(self._wire, part.span, 8)

    def _tensor(self, message: Span, seen: Seen) -> None:
        file = check_tensor(self._wire, message)
        if file is not None:
            seen.files.add(file)

    def _sparse(self, message: Span, seen: Seen) -> None:
        for part in self._wire.fields(message, frozenset({1, 2})):
            if part.number in (1, 2):
                self._tensor(part.span, seen)


def check_operators(
    wire: Wire, operators: Counter[Operator], own: set[Operator], looking: Looking
) -> None:
    """Refuse operators that neither onnxruntime brings along nor the model itself defines."""
    for domain, name in operators:
        if name in _RUN_CODE:
            raise refusal(wire.item.place, f"uses the operator {name}, which runs code", _STEP)
        if domain not in _DOMAINS and (domain, name) not in own:
            raise refusal(
                wire.item.place,
                f"uses the operator {shown(name)} of the domain {shown(domain)}, which is not "
                "onnxruntime's own",
                _STEP,
            )
