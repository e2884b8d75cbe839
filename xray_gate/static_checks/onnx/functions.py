"""The functions that ONNX models define, which are put in place of their calls."""

from collections import Counter
from collections.abc import Mapping

from xray_gate.static_checks.looking import refusal, shown
from xray_gate.static_checks.onnx.graphs import Operator
from xray_gate.static_checks.onnx.wire import Wire

_MOST_NODES = 1_000_000
_MOST_DEPTH = 64
_MOST_FUNCTIONS = 10_000
_STEP = "export the model again, without functions of its own"


def check_functions(
    wire: Wire, main: Counter[Operator], functions: Mapping[Operator, Counter[Operator]]
) -> None:
    """Refuse functions that call themselves, and those that grow beyond a million nodes."""
    if len(functions) > _MOST_FUNCTIONS:
        raise refusal(wire.item.place, f"has more than {_MOST_FUNCTIONS} functions", _STEP)
    sizes: dict[Operator, int] = {}
    for _ in range(_MOST_DEPTH):
        waiting = [name for name in functions if name not in sizes]
        if not waiting:
            break
        for name in waiting:
            calls = functions[name]
            if all(call in sizes or call not in functions for call in calls):
                sizes[name] = _size(calls, sizes)
    if missing := [name for name in functions if name not in sizes]:
        raise refusal(
            wire.item.place,
            f"has a function that calls itself, or {_MOST_DEPTH} others in turn "
            f"({shown(missing[0][1])})",
            _STEP,
        )
    if _size(main, sizes) > _MOST_NODES:
        raise refusal(
            wire.item.place, f"has functions that unfold to more than {_MOST_NODES} nodes", _STEP
        )


def _size(calls: Counter[Operator], sizes: Mapping[Operator, int]) -> int:
    # Capped, so that numbers stay small however often functions double.
    total = sum(count * sizes.get(call, 1) for call, count in calls.items())
    return min(1 + total, 2 * _MOST_NODES)
