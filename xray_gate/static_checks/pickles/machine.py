"""Follows a pickle's opcodes on a stack of stand-ins, and notes what it would import and call.

Memory follows the number of opcodes, which is bounded. The effect of most opcodes is the standard
library's own description of it (`pickletools`).
"""

import pickletools
from dataclasses import dataclass, field
from enum import Enum
from typing import BinaryIO, NamedTuple

from xray_gate.static_checks.looking import Looking
from xray_gate.static_checks.pickles.reading import Malformed, Step, key_of, steps, text_of

_HIGHEST_PROTOCOL = 5
_STEPS = 256
_MOST_IMPORTS = 10_000
_STRINGS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
# The first pickle of a file that torch.save wrote before it wrote archives.
_LEGACY_TORCH = bytes.fromhex("6cfc9c46f9206aa85019")


class Import(NamedTuple):
    """A global that a pickle names; both empty where the names cannot be told."""

    module: str
    name: str


class _Stand(Enum):
    MARK = 1
    VALUE = 2


_Slot = _Stand | Import | str


@dataclass
class Found:
    """What one pickle does up to its end, or up to where it breaks.

    `imports` with the offset of each; `odd` are calls and changes of something else than an
    import, with their offsets. `called_at`: the offset of the first step that runs something of
    what was imported, or changes it; None where there is none.
    """

    imports: dict[Import, int] = field(default_factory=dict)
    odd: dict[str, int] = field(default_factory=dict)
    called_at: int | None = None
    legacy_torch: bool = False


class Machine:
    """Reads one pickle from where `file` stands; `size` is that of the whole file."""

    def __init__(self, file: BinaryIO, size: int, looking: Looking, place: str) -> None:
        self.found = Found()
        self._file = file
        self._size = size
        self._looking = looking
        self._place = place
        self._stack: list[_Slot] = []
        self._memo: dict[int, _Slot] = {}
        self._at = 0

    def run(self) -> None:
        """Follow the opcodes up to STOP; raises `Malformed` where that is not reached."""
        count = 0
        try:
            for step in steps(self._file, self._size):
                count += 1
                # In pieces, as asking costs as much as a step.
                if count == _STEPS:
                    self._looking.spend_opcodes(self._place, count)
                    count = 0
                self._step(step)
                if step.info.name == "STOP":
                    break
        except Malformed:
            self._looking.spend_opcodes(self._place, count)
            raise
        self._looking.spend_opcodes(self._place, count)

    def _step(self, step: Step) -> None:
        info, argument, self._at = step
        name = info.name
        special = getattr(self, f"_do_{name.lower()}", None)
        if special is not None:
            special(argument)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[key_of(name, argument)] = self._top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._stack.append(self._memo.get(key_of(name, argument), _Stand.VALUE))
        elif name in _STRINGS:
            self._stack.append(text_of(argument) or _Stand.VALUE)
        else:
            self._usual(info)

    def _usual(self, info: pickletools.OpcodeInfo) -> None:
        before = list(info.stack_before)
        if pickletools.markobject in before:
            self._pop_mark()
            before = before[: before.index(pickletools.markobject)]
        self._pop(len(before))
        self._stack.extend([_Stand.VALUE] * len(info.stack_after))

    def _do_mark(self, _: bytes) -> None:
        self._stack.append(_Stand.MARK)

    def _do_pop(self, _: bytes) -> None:
        if not self._stack:
            raise Malformed("empty stack")
        self._stack.pop()

    def _do_dup(self, _: bytes) -> None:
        self._stack.append(self._top())

    def _do_memoize(self, _: bytes) -> None:
        self._memo[len(self._memo)] = self._top()

    def _do_proto(self, argument: bytes) -> None:
        if argument[0] > _HIGHEST_PROTOCOL:
            raise Malformed("unknown protocol")

    def _do_long1(self, argument: bytes) -> None:
        self.found.legacy_torch |= argument == _LEGACY_TORCH
        self._stack.append(_Stand.VALUE)

    def _do_global(self, argument: bytes) -> None:
        module, _, name = argument.partition(b"\n")
        self._import(text_of(module), text_of(name))

    def _do_stack_global(self, _: bytes) -> None:
        module, name = self._pop(2)
        self._import(module, name)

    def _do_inst(self, argument: bytes) -> None:
        self._do_global(argument)
        self._stack.pop()
        self._pop_mark()
        self._called()

    def _do_obj(self, _: bytes) -> None:
        above = self._pop_mark()
        if not above:
            raise Malformed("nothing to call")
        self._called(above[0])

    def _do_reduce(self, _: bytes) -> None:
        self._called(self._pop(2)[0])

    def _do_newobj(self, _: bytes) -> None:
        self._called(self._pop(2)[0])

    def _do_newobj_ex(self, _: bytes) -> None:
        self._called(self._pop(3)[0])

    def _do_build(self, _: bytes) -> None:
        changed, _state = self._pop(2)
        self._stack.append(changed)
        self._changed()

    def _do_append(self, _: bytes) -> None:
        self._pop(1)
        self._changed()

    def _do_appends(self, _: bytes) -> None:
        self._pop_mark()
        self._changed()

    def _do_setitem(self, _: bytes) -> None:
        self._pop(2)
        self._changed()

    _do_setitems = _do_appends
    _do_additems = _do_appends

    def _do_ext1(self, _: bytes) -> None:
        self._import(_Stand.VALUE, _Stand.VALUE)

    _do_ext2 = _do_ext1
    _do_ext4 = _do_ext1

    def _import(self, module: _Slot | None, name: _Slot | None) -> None:
        told = isinstance(module, str) and isinstance(name, str)
        found = Import(str(module), str(name)) if told else Import("", "")
        if len(self.found.imports) >= _MOST_IMPORTS:
            raise Malformed("absurdly many imports")
        self.found.imports.setdefault(found, self._at)
        self._stack.append(found)

    def _changed(self) -> None:
        # A state calls `__setstate__`, an item `append`, `add` or `__setitem__` of whatever it is.
        if isinstance(self._top(), Import):
            self._runs()
            self._odd("changes what it imported")

    def _runs(self) -> None:
        if self.found.called_at is None:
            self.found.called_at = self._at

    def _called(self, what: _Slot | None = None) -> None:
        self._runs()
        if what is not None and not isinstance(what, Import):
            self._odd("calls what it computed")
        self._stack.append(_Stand.VALUE)

    def _odd(self, what: str) -> None:
        self.found.odd.setdefault(what, self._at)

    def _top(self) -> _Slot:
        if not self._stack or self._stack[-1] is _Stand.MARK:
            raise Malformed("empty stack")
        return self._stack[-1]

    def _pop(self, count: int) -> list[_Slot]:
        taken = self._stack[len(self._stack) - count :] if count <= len(self._stack) else []
        if len(taken) < count or _Stand.MARK in taken:
            raise Malformed("empty stack")
        del self._stack[len(self._stack) - count :]
        return taken

    def _pop_mark(self) -> list[_Slot]:
        above: list[_Slot] = []
        while self._stack:
            slot = self._stack.pop()
            if slot is _Stand.MARK:
                return above[::-1]
            above.append(slot)
        raise Malformed("no mark")
