"""Whether a chain of audit lines is whole, and if not, where it breaks and how.

Lines are read once and not kept, whatever their number.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from xray_gate.core.audit_line import NO_LINE, hash_of

Line = Mapping[str, Any]
# How far a line's number may have been moved and still be recognised: each try is one hash.
_REACH = 64


class Damage(StrEnum):
    """What was done to a chain."""

    CHANGED = "content changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    REWRITTEN = "rewritten"


@dataclass(frozen=True)
class Head:
    """Number and hash of a line that was the newest at some time; `source` says who kept it."""

    seq: int
    hash: str
    source: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True)
class Break:
    """The first broken line: its number, what was done, and the same in words."""

    seq: int
    damage: Damage
    text: str


@dataclass(frozen=True)
class Checked:
    """How many lines are whole, the newest of them, and where the chain breaks (None: nowhere)."""

    lines: int
    head: Head | None
    broken: Break | None


def check_chain(lines: Iterable[Line], heads: Sequence[Head] = ()) -> Checked:
    """Follow a chain from its first line on.

    `heads` were kept elsewhere: the chain must still hold these lines as they were. Without one,
    nothing shows that the newest lines are gone, or that all of it was written anew.
    """
    chain = _Chain(heads)
    rest = iter(lines)
    for line in rest:
        broken = chain.accept(line) if chain.follows(line) else _located(chain, line, rest)
        if broken is not None:
            return Checked(chain.count, chain.head, broken)
    return Checked(chain.count, chain.head, chain.missing())


class _Chain:
    """The whole part of a chain, up to where it was followed."""

    def __init__(self, heads: Sequence[Head]) -> None:
        self.seq, self.hash, self.count = 0, NO_LINE, 0
        self._heads = heads

    @property
    def head(self) -> Head | None:
        return Head(self.seq, self.hash, "the chain") if self.seq else None

    def follows(self, line: Line) -> bool:
        """Whether a line is whole and the next one."""
        return self.has_place_for(line) and _is_whole(line)

    def has_place_for(self, line: Line) -> bool:
        return bool(line.get("seq") == self.seq + 1 and line.get("previous") == self.hash)

    def accept(self, line: Line) -> Break | None:
        """Go on by one line; what a head says against it."""
        self.seq, self.hash, self.count = self.seq + 1, line["hash"], self.count + 1
        for head in self._heads:
            if head.seq == self.seq and head.hash != self.hash:
                return Break(
                    head.seq,
                    Damage.REWRITTEN,
                    f"line {head.seq} is whole, but another one than {head.source} knows: it and "
                    "what follows it, or more, was written anew",
                )
        return None

    def missing(self) -> Break | None:
        """What the heads know beyond the last line."""
        last = max(self._heads, key=lambda head: head.seq, default=None)
        if last is not None and last.seq > self.seq:
            which = _numbers(self.seq + 1, last.seq)
            return Break(
                self.seq + 1, Damage.REMOVED, f"{which} removed, which {last.source} knows"
            )
        if self.seq == 0:
            return Break(1, Damage.REMOVED, "there is no line at all, not even the first")
        return None


def _located(chain: _Chain, line: Line, rest: Iterator[Line]) -> Break:
    """What was done to the chain before or at `line`, which does not follow it."""
    place, seq = chain.seq + 1, line.get("seq")
    if _is_whole(line):
        if seq == place:
            return _unlinked(line, rest)
        if isinstance(seq, int) and seq < place:
            return Break(seq, Damage.INSERTED, f"line {seq} comes twice: one of them was inserted")
        return _gap(chain, line, rest, int(seq or 0))
    own = _number_of(line)
    if own is None:
        following = next(rest, None)
        if following is not None and _fits(chain, following):
            return Break(place, Damage.INSERTED, f"line {place} was inserted, those after it moved")
        return Break(place, Damage.CHANGED, f"line {place}: its content is not what was written")
    if own < place:
        # It was whole before those after the inserted one were moved.
        return Break(own, Damage.INSERTED, f"line {own} was inserted, those after it moved")
    if own == place:
        return Break(place, Damage.CHANGED, f"line {place}: its number was changed to {seq}")
    return _gap(chain, line, rest, own)


def _unlinked(line: Line, rest: Iterator[Line]) -> Break:
    """Two neighbours, each of them whole, do not belong together: one was written anew."""
    seq = int(line["seq"])
    following = next(rest, None)
    if seq > 1 and (following is None or following.get("previous") == line["hash"]):
        # The line after this one knows it as it is, so it is the one before that changed.
        seq -= 1
    return Break(seq, Damage.CHANGED, f"line {seq}: it was written anew, with a hash of its own")


def _gap(chain: _Chain, line: Line, rest: Iterator[Line], found: int) -> Break:
    """The next line is not where it should be: moved, if it comes later, else removed."""
    place = chain.seq + 1
    if any(_fits(chain, later) for later in rest):
        return Break(place, Damage.REORDERED, f"line {place} stands in another place")
    return Break(place, Damage.REMOVED, f"{_numbers(place, found - 1)} removed")


def _fits(chain: _Chain, line: Line) -> bool:
    """Whether a line, given the chain's next number, is the one that was written there."""
    place = {**line, "seq": chain.seq + 1}
    return chain.has_place_for(place) and _is_whole(place)


def _has_number(line: Line, number: int) -> bool:
    return _is_whole({**line, "seq": number})


def _number_of(line: Line) -> int | None:
    """The number with which a line is whole, near the one that it has; None where there is none."""
    seq = line.get("seq")
    if not isinstance(seq, int):
        return None
    for step in range(1, _REACH + 1):
        for number in (seq - step, seq + step):
            if _has_number(line, number):
                return number
    return None


def _is_whole(line: Line) -> bool:
    try:
        return bool(line.get("hash") == hash_of(line)) and type(line.get("seq")) is int
    except (ValueError, TypeError, RecursionError):
        return False


def _numbers(first: int, last: int) -> str:
    return f"line {first} was" if first >= last else f"lines {first} to {last} were"
