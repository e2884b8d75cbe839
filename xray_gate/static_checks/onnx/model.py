"""ONNX files as a whole (`onnx.proto`: ModelProto)."""

from collections import Counter

from xray_gate.static_checks.item import Item
from xray_gate.static_checks.looking import Looking, refusal
from xray_gate.static_checks.onnx.functions import check_functions
from xray_gate.static_checks.onnx.graphs import Graphs, Operator, Seen, check_operators
from xray_gate.static_checks.onnx.wire import BYTES, Span, Wire

_GRAPH, _TRAINING, _FUNCTION = 7, 20, 25
_IR_VERSION = 1
_ONCE = frozenset({_IR_VERSION, _GRAPH})
_STEP = "export the model again"


def check_onnx(item: Item, looking: Looking) -> frozenset[str]:
    """Refuse a model that reaches outside its folder, needs others' code, or is malformed.

    The paths, in the folder, of the files that hold its weights.
    """
    wire = Wire(item, looking)
    graphs = Graphs(wire, looking)
    main = Seen()
    functions: dict[Operator, Counter[Operator]] = {}
    files: set[str] = set()
    found = False
    for part in wire.fields(Span(0, item.size), _ONCE):
        if part.number == _GRAPH and part.wire == BYTES:
            found = True
            graphs.graph(part.span, main)
        elif part.number == _TRAINING:
            raise refusal(item.place, "holds a program for training", _STEP)
        elif part.number == _FUNCTION:
            seen = Seen()
            name = graphs.function(part.span, seen)
            if name in functions:
                raise wire.refused("has two functions of one name")
            functions[name] = seen.operators
            files |= seen.files
    if not found:
        raise wire.broken("there is no graph")
    for operators in (main.operators, *functions.values()):
        check_operators(wire, operators, set(functions), looking)
    check_functions(wire, main.operators, functions)
    return frozenset(files | main.files)
