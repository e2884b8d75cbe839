"""The program in archives of torch.export (.pt2), whose reader imports, calls and evaluates.

As of PyTorch 2.13 (`torch/_export/serde/serialize.py`): the target of a node is looked up from
`torch`, `math` or `operator` by any dotted name, expressions of sizes go through SymPy's `sympify`
and guards become Python source, both of which evaluate text; trees of arguments may import the
classes of enumerations and the factories of dictionaries.
"""

import re
from typing import Any

from xray_gate.static_checks.item import Item
from xray_gate.static_checks.json_files import pairs_of, parse_json, read_json
from xray_gate.static_checks.looking import Looking, refusal, shown

_WORD = r"(?:[a-z_]?[A-Za-z0-9]\w*|__(?:and|or|xor|lshift|rshift)__)"
_TARGET = re.compile(
    rf"torch\.ops\.(?:aten|prims|quantized|quantized_decomposed|torchvision)\.{_WORD}\.[A-Za-z]\w*"
    r"|torch\.ops\.higher_order\.[a-z]\w*"
    r"|torch\.sym_[a-z]+|torch\._check\w*"
    r"|_operator\.(?:add|sub|mul|floordiv|truediv|mod|neg|pow|eq|ne|lt|le|gt|ge|and_|or_|not_|"
    r"getitem|index)"
    r"|math\.(?:ceil|floor|trunc|sqrt|log2|prod)"
)
_READS_FILES = re.compile(r"torch\.ops\.aten\.(?:from_file|save|load)\b.*")
_SYMBOL = r"[a-z]{1,4}[0-9]+"
_FUNCTIONS = (
    "Symbol|Integer|Float|Rational|Mul|Add|Pow|Mod|PythonMod|FloorDiv|CleanDiv|CeilDiv|TrueDiv|"
    "IntTrueDiv|FloatTrueDiv|Max|Min|Eq|Ne|Le|Lt|Ge|Gt|And|Or|Not|Piecewise|Where|ToFloat|"
    "CeilToInt|FloorToInt|TruncToInt|PowByNatural|Equality|Unequality|StrictLessThan|"
    "StrictGreaterThan|LessThan|GreaterThan"
)
_EXPRESSION = re.compile(
    rf"(?:(?:{_FUNCTIONS})\(|'{_SYMBOL}'|{_SYMBOL}\b|(?:positive|integer|nonnegative|negative|"
    r"evaluate|precision|commutative|real)=(?:True|False|[0-9]++)|True|False|"
    r"[0-9]++(?:\.[0-9]++)?|[-+*/%(), <>=!&|~])*+"
)
_GUARD = re.compile(
    r"(?:L\['\w+'\]|L\[\"\w+\"\]|\.size\(\)\[[0-9]+\]|\.shape\[[0-9]+\]|\.stride\(\)\[[0-9]+\]|"
    r"\[[0-9]+\]|\['[\w.]+'\]|and\b|or\b|not\b|True\b|False\b|"
    r"[0-9]++(?:\.[0-9]++)?|[-+*/%() <>=!])*+"
)
# They would be computed in full.
_HUGE = re.compile(r"\*\s*\*|[0-9]{20}")
_TREES = frozenset(
    {"builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict", None}
)
_LONGEST = 2000
_STEP = "export the model again with torch.export.save, or to ONNX"


def check_exported(item: Item, looking: Looking) -> None:
    """Refuse a document whose reader would run anything else than operators of PyTorch."""
    for name, value in pairs_of(read_json(item)):
        if name == "target" and isinstance(value, str):
            _check_target(item.place, value, looking)
        elif name == "expr_str":
            _check_text(item.place, "the expression", value, _EXPRESSION)
        elif name == "guards_code":
            for guard in value if isinstance(value, list) else [value]:
                _check_text(item.place, "the guard", guard, _GUARD)
        elif name in ("in_spec", "out_spec"):
            _check_tree(item.place, value)


def _check_target(place: str, target: str, looking: Looking) -> None:
    if _READS_FILES.fullmatch(target):
        raise refusal(place, f"calls {shown(target)}, which is for files", _STEP)
    if _TARGET.fullmatch(target):
        return
    if target.startswith("torch.ops."):
        looking.unchecked(
            place, f"calls {shown(target)}, an operator that is not PyTorch's own", _STEP
        )
        return
    raise refusal(place, f"calls {shown(target)}, which is no operator of PyTorch", _STEP)


def _check_text(place: str, what: str, text: Any, allowed: re.Pattern[str]) -> None:
    plain = isinstance(text, str) and len(text) <= _LONGEST and allowed.fullmatch(text)
    if not plain or _HUGE.search(text):
        raise refusal(
            place, f"{what} {shown(str(text))} would be evaluated, and is no arithmetic", _STEP
        )


def _check_tree(place: str, text: Any) -> None:
    if text is None:
        return
    if not isinstance(text, str):
        raise refusal(place, "describes arguments in an unknown way", _STEP)
    for name, value in pairs_of(parse_json(place, text)):
        unknown = name == "type" and (isinstance(value, dict | list) or value not in _TREES)
        if unknown or name.startswith("__"):
            raise refusal(
                place, f"describes arguments by {shown(str(value))}, which may be imported", _STEP
            )
        if name == "context" and isinstance(value, str) and "__" in value:
            raise refusal(place, f"describes arguments by {shown(value)}", _STEP)
