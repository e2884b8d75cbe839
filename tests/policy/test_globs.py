"""Overlap and cover, held against `fnmatch` on every name of a small alphabet."""

from fnmatch import fnmatchcase
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xray_gate.policy.globs import covers, matches_glob, overlap

# What the globs below name, and one more character.
NAMES = ["".join(signs) for length in range(6) for signs in product("abz", repeat=length)]
PARTS = st.sampled_from(["*", "?", "a", "b", "A", "[ab]", "[!a]", "[a-b]", "[!", "["])
GLOBS = st.lists(PARTS, min_size=1, max_size=4).map("".join)


def taken(glob: str) -> set[str]:
    return {name for name in NAMES if fnmatchcase(name, glob.lower())}


@settings(max_examples=300, deadline=None)
@given(GLOBS, GLOBS)
def test_what_small_names_show_is_found(one: str, other: str) -> None:
    if taken(one) & taken(other):
        assert overlap(one, other)
    if taken(one) - taken(other):
        assert not covers(other, one)
    assert overlap(one, other) == overlap(other, one)
    assert covers(one, one)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from("*?ab"), min_size=1, max_size=4).map("".join), st.data())
def test_small_names_show_what_is_found(one: str, data: st.DataObject) -> None:
    # Four signs at most: if a name is in both, or in one only, a name of at most five shows it.
    other = data.draw(st.lists(st.sampled_from("*?ab"), min_size=1, max_size=4).map("".join))
    wide, narrow = taken(one), taken(other)
    if len(one.replace("*", "")) + len(other.replace("*", "")) <= 5:
        assert overlap(one, other) == bool(wide & narrow)
    assert covers(one, other) <= (narrow <= wide)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("signs*", "*-v2", True),
        ("Signs*", "sIGNs", True),
        ("signs-?", "signs-??", False),
        ("[a-c]x", "[c-e]x", True),
        ("[a-b]x", "[c-e]x", False),
        ("[!a]", "[!b]", True),
        ("[", "[[]", True),
        ("a[", "a?", True),
        ("*", "", True),
        ("?*", "", False),
        ("[]]", "]", True),
        ("faces-*", "signs-*", False),
    ],
)
def test_overlap(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected
    assert overlap(other, one) is expected


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("*", "signs-*", True),
        ("signs*", "SIGNS-?", True),
        ("signs-*", "signs*", False),
        ("*a*", "*ba*", True),
        ("?*", "*", False),
        ("[a-z]*", "[b-d]x", True),
        ("[a-c]*", "[b-d]x", False),
        ("**", "*", True),
    ],
)
def test_cover(wide: str, narrow: str, expected: bool) -> None:
    assert covers(wide, narrow) is expected


def test_a_question_that_takes_too_long_is_answered_with_no() -> None:
    assert not covers(f"*a{'?' * 60}*b", f"*a{'?' * 60}[ab]*b[ab]")


def test_a_match_goes_without_regard_to_case() -> None:
    assert matches_glob("SIGNS-1", "signs-[0-9]")
