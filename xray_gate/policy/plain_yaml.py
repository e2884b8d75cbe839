"""What a policy's YAML may hold: nothing that grows, and no text that others cannot write down."""

import yaml

_MOST_NODES = 100_000
# What is nested some hundred deep cannot be written down any more.
_MOST_LEVELS = 50
# Python takes quadratic time for the digits, and refuses to write down what is longer still.
_LONGEST_NUMBER = 200
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class NotPlain(ValueError):
    """What is wrong, and the line (from 1) where it stands."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def require_plain(root: yaml.Node | None) -> None:
    """Raise `NotPlain` for a document that a reader would spend itself on, or that is no text.

    An alias counts as all that it stands for, since merges and checks copy that: a few lines can
    stand for billions. RecursionError where nodes are nested too deeply.
    """
    if root is not None:
        _Sizes().of(root)


class _Sizes:
    """How many nodes each node stands for, and how many levels; None while it is looked at."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int] | None] = {}

    def of(self, node: yaml.Node) -> tuple[int, int]:
        line = node.start_mark.line + 1 if node.start_mark else 1
        if id(node) not in self._known:
            self._known[id(node)] = None
            self._known[id(node)] = self._counted(node, line)
        known = self._known[id(node)]
        if known is None:
            raise NotPlain(line, "refers to itself; write out what is meant")
        return known

    def _counted(self, node: yaml.Node, line: int) -> tuple[int, int]:
        if isinstance(node, yaml.ScalarNode):
            _require_text(node, line)
        size, levels = 1, 1
        for child in node.value if isinstance(node, yaml.CollectionNode) else ():
            for part in child if isinstance(child, tuple) else (child,):
                of_part, below = self.of(part)
                size, levels = size + of_part, max(levels, 1 + below)
            if size > _MOST_NODES:
                raise NotPlain(
                    line, f"stands for more than {_MOST_NODES:,} values; use fewer aliases (*)"
                )
            if levels > _MOST_LEVELS:
                raise NotPlain(line, f"is nested more than {_MOST_LEVELS} deep; make it flatter")
        return size, levels


def _require_text(node: yaml.ScalarNode, line: int) -> None:
    if "\0" in node.value or any("\ud800" <= char <= "\udfff" for char in node.value):
        raise NotPlain(line, "holds a character that is none; write the text without its escape")
    if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
        raise NotPlain(line, f"holds a number of {len(node.value):,} digits; write a shorter one")
