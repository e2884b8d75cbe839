"""What two globs have to do with each other: whether a name matches both, or all that match one.

Shell-style as `fnmatch` reads them, without regard to case.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase

# Subsets of the places in a glob can be very many. Whatever takes longer counts as not covered.
_MOST_STEPS = 20_000
_ANYTHING = "*"
# For a character that no glob names.
_OTHER = "\ue000"


def matches_glob(name: str, glob: str) -> bool:
    """Shell-style match without regard to case."""
    return fnmatchcase(name.lower(), glob.lower())


def overlap(one: str, other: str) -> bool:
    """Whether a name matches both globs."""
    left, right = _parts(one), _parts(other)
    signs = _signs(one, other)
    places = {(0, 0)}
    waiting = [(0, 0)]
    while waiting:
        i, j = waiting.pop()
        if (i, j) == (len(left), len(right)):
            return True
        for place in _onward(left, right, i, j, signs):
            if place not in places:
                places.add(place)
                waiting.append(place)
    return False


def _onward(
    left: list[str], right: list[str], i: int, j: int, signs: list[str]
) -> Iterator[tuple[int, int]]:
    one = left[i] if i < len(left) else None
    other = right[j] if j < len(right) else None
    if one == _ANYTHING:
        yield i + 1, j
    if other == _ANYTHING:
        yield i, j + 1
    if one is None or other is None:
        return
    if any(_takes(one, sign) and _takes(other, sign) for sign in signs):
        yield i + (one != _ANYTHING), j + (other != _ANYTHING)


def covers(wide: str, narrow: str) -> bool:
    """Whether every name that matches `narrow` matches `wide`.

    False also where it takes too long to tell.
    """
    inner, outer = _parts(narrow), _parts(wide)
    signs = _signs(wide, narrow)
    start = (_closed(inner, {0}), _closed(outer, {0}))
    seen, waiting = {start}, [start]
    while waiting:
        here, there = waiting.pop()
        if len(inner) in here and len(outer) not in there:
            return False
        for sign in signs:
            step = (_after(inner, here, sign), _after(outer, there, sign))
            if step[0] and step not in seen:
                seen.add(step)
                waiting.append(step)
        if len(seen) > _MOST_STEPS:
            return False
    return True


def _after(parts: list[str], places: frozenset[int], sign: str) -> frozenset[int]:
    """The places in a glob after one more character."""
    taken = [i for i in places if i < len(parts) and _takes(parts[i], sign)]
    return _closed(parts, {i if parts[i] == _ANYTHING else i + 1 for i in taken})


def _closed(parts: list[str], places: set[int]) -> frozenset[int]:
    """The places with those behind a `*`, which also stands for nothing."""
    found = set(places)
    for i in range(len(parts)):
        if i in found and parts[i] == _ANYTHING:
            found.add(i + 1)
    return frozenset(found)


def _takes(part: str, sign: str) -> bool:
    return part == _ANYTHING or fnmatchcase(sign, part)


def _parts(glob: str) -> list[str]:
    """A glob cut up: `*`, and what stands for one character (`?`, `[...]`, itself)."""
    text, found, i = glob.lower(), [], 0
    while i < len(text):
        end = _end_of_set(text, i) if text[i] == "[" else i + 1
        part = text[i:end]
        # Without its end, a bracket means itself.
        found.append("[[]" if part == "[" else part)
        i = end
    return found


def _end_of_set(text: str, start: int) -> int:
    i = start + 1
    if text[i : i + 1] == "!":
        i += 1
    end = text.find("]", i + 1)
    return start + 1 if end < 0 else end + 1


def _signs(*globs: str) -> list[str]:
    """Characters such that each other one is treated by the globs as one of these."""
    named = {ord(sign) for glob in globs for sign in glob.lower()}
    near = {code + step for code in named for step in (-1, 0, 1) if 0 < code + step < 0x10FFFF}
    signs = {chr(code) for code in near} | {_OTHER}
    # Names are compared in lower case.
    return sorted(sign for sign in signs if sign == sign.lower())
