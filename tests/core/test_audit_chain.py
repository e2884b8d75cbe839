"""Whatever is done to one line of a chain is found, and located."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_gate.core.audit_chain import Break, Damage, Head, check_chain
from xray_gate.core.audit_file import check_exported, exported
from xray_gate.core.audit_line import (
    NO_LINE,
    LogEvent,
    LogNote,
    Via,
    Who,
    bounded_reasons,
    chained,
    hash_of,
)

Line = dict[str, Any]
LENGTH = 9
FIELDS = [
    *("seq", "at", "event", "via", "actor", "workspace", "name", "version"),
    *("details", "policy", "policy_digest", "previous", "hash"),
]


def chain(length: int = LENGTH, actor: str = "ann") -> list[Line]:
    lines, previous = list[Line](), NO_LINE
    for seq in range(1, length + 1):
        note = LogNote(
            LogEvent.PROMOTION_GRANTED,
            Who(Via.SERVER, actor),
            *("default", "signs", seq),
            {"alias": f"a{seq}", "free": True},
            ("images", "sha256:" + "ab" * 32),
        )
        lines.append(chained(note, seq, 1_700_000_000.0 + seq, previous))
        previous = lines[-1]["hash"]
    return lines


def kept(lines: list[Line]) -> list[Head]:
    return [Head(lines[-1]["seq"], lines[-1]["hash"], "the head that was kept")]


def broken(lines: list[Line], heads: list[Head] | None = None) -> tuple[int, Damage]:
    found = check_chain(lines, heads or []).broken
    assert found is not None
    return found.seq, found.damage


def rehashed(line: Line, **changes: Any) -> Line:
    changed = {**line, **changes}
    return {**changed, "hash": hash_of(changed)}


def test_a_whole_chain_is_whole() -> None:
    lines = chain()
    checked = check_chain(lines, [*kept(lines), Head(3, lines[2]["hash"], "an old head")])
    assert checked.broken is None
    assert checked.lines == LENGTH
    assert str(checked.head) == f"{LENGTH}:{lines[-1]['hash']}"


def test_the_lines_are_read_once_and_not_kept() -> None:
    alive = 0

    class Counted(dict[str, Any]):
        def __init__(self, line: Line) -> None:
            nonlocal alive
            super().__init__(line)
            alive += 1
            assert alive < 5

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    lines = chain(50)
    assert check_chain(Counted(line) for line in lines).lines == 50
    lines[7]["actor"] = "bob"
    assert check_chain(Counted(line) for line in lines).broken is not None


@given(
    number=st.integers(1, LENGTH),
    field=st.sampled_from(FIELDS),
    value=st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.lists(st.integers())
    ),
)
def test_a_changed_field_is_found_and_located(number: int, field: str, value: Any) -> None:
    lines = chain()
    # Python's True is 1, but what is hashed is not.
    if json.dumps(lines[number - 1][field]) == json.dumps(value):
        return
    lines[number - 1][field] = value
    assert broken(lines) == (number, Damage.CHANGED)


@given(number=st.integers(1, LENGTH), field=st.sampled_from(FIELDS))
def test_a_field_more_or_less_is_found_and_located(number: int, field: str) -> None:
    lines = chain()
    del lines[number - 1][field]
    assert broken(lines) == (number, Damage.CHANGED)
    lines = chain()
    lines[number - 1]["more"] = 1
    assert broken(lines) == (number, Damage.CHANGED)


@given(number=st.integers(1, LENGTH))
def test_a_line_that_was_written_anew_is_located(number: int) -> None:
    lines = chain()
    lines[number - 1] = rehashed(lines[number - 1], actor="bob")
    expected = Damage.REWRITTEN if number == LENGTH else Damage.CHANGED
    assert broken(lines, kept(chain())) == (number, expected)


@given(first=st.integers(1, LENGTH), count=st.integers(1, LENGTH), renumbered=st.booleans())
def test_removed_lines_are_found_and_located(first: int, count: int, renumbered: bool) -> None:
    lines = chain()
    heads, removed = kept(lines), lines[first - 1 : first - 1 + count]
    del lines[first - 1 : first - 1 + count]
    if renumbered:
        lines = [{**line, "seq": seq} for seq, line in enumerate(lines, 1)]
    assert broken(lines, heads) == (first, Damage.REMOVED)
    if first + len(removed) > LENGTH and lines:
        # Without a head that was kept, nothing shows it.
        assert check_chain(lines).broken is None


@given(
    place=st.integers(1, LENGTH), own_hash=st.booleans(), linked=st.booleans(), moved=st.booleans()
)
def test_an_inserted_line_is_found_and_located(
    place: int, own_hash: bool, linked: bool, moved: bool
) -> None:
    """`moved`: those after it get new numbers, as the table's key wants; a file may do without."""
    lines = chain()
    previous = lines[place - 2]["hash"] if linked and place > 1 else NO_LINE
    new = {**lines[place - 1], "actor": "bob", "seq": place, "previous": previous}
    if own_hash:
        new = rehashed(new)
    after = [{**line, "seq": line["seq"] + moved} for line in lines[place - 1 :]]
    found = broken([*lines[: place - 1], new, *after])
    if not (own_hash and not linked and place > 1):
        assert found == (place, Damage.INSERTED)
    else:
        # Whole in itself, but no neighbour of the one before it.
        assert found[0] in (place - 1, place)


@given(pair=st.lists(st.integers(1, LENGTH), min_size=2, max_size=2, unique=True))
def test_swapped_lines_are_found_and_located(pair: list[int]) -> None:
    first, second = sorted(pair)
    lines = chain()
    lines[first - 1], lines[second - 1] = lines[second - 1], lines[first - 1]
    assert broken(lines) == (first, Damage.REORDERED)
    # As in a table, where the number says which comes first.
    renumbered = [{**line, "seq": seq} for seq, line in enumerate(lines, 1)]
    assert broken(renumbered) == (first, Damage.REORDERED)


def test_a_chain_that_was_written_anew_is_whole_but_for_a_kept_head() -> None:
    lines = chain(actor="bob")
    assert check_chain(lines).broken is None
    found = check_chain(lines, kept(chain())).broken
    assert found is not None
    assert (found.seq, found.damage) == (LENGTH, Damage.REWRITTEN)


def test_one_that_begins_anew_with_fewer_lines_is_found() -> None:
    assert broken(chain(3, actor="bob"), kept(chain())) == (4, Damage.REMOVED)


def test_what_a_kept_head_misses_is_said_in_plain_words() -> None:
    found = check_chain(chain()[:-2], kept(chain())).broken
    assert found is not None
    head = kept(chain())[-1]
    assert found.text == (f"lines {LENGTH - 1} to {LENGTH} were removed, which {head.source} knows")


def test_an_empty_chain_is_not_whole() -> None:
    assert broken([]) == (1, Damage.REMOVED)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda lines: lines, None),
        (lambda lines: [*lines, ""], None),
        (lambda lines: [*lines[:4], "no JSON", *lines[5:]], (5, Damage.CHANGED)),
        (lambda lines: [*lines[:4], "no JSON", *lines[4:]], (5, Damage.INSERTED)),
        (lambda lines: [*lines[:4], "[1]", *lines[5:]], (5, Damage.CHANGED)),
        (lambda lines: [*lines[:4], "[" * 100_000, *lines[5:]], (5, Damage.CHANGED)),
        (lambda lines: [*lines[:4], "x" * 3_000_000, *lines[5:]], (5, Damage.CHANGED)),
        (lambda lines: [*lines[:4], lines[4].replace("{", '{"seq":5,', 1), *lines[5:]], (5, None)),
        (lambda lines: lines[:4], (5, Damage.REMOVED)),
        (lambda lines: [], (1, Damage.REMOVED)),
    ],
)
def test_exported_lines_are_checked_as_the_tables_are(
    tmp_path: Path, spoil: Callable[[list[str]], list[str]], expected: Any
) -> None:
    path, lines = tmp_path / "log.jsonl", chain()
    texts = spoil([exported(line) for line in lines])
    path.write_text("".join(f"{text}\n" for text in texts))
    found = check_exported(path, kept(lines)).broken
    if expected is None:
        assert found is None
    else:
        assert isinstance(found, Break)
        assert found.seq == expected[0]
        assert found.damage is (expected[1] or Damage.CHANGED)


def test_a_line_holds_what_a_database_takes_and_no_more_than_it_should() -> None:
    details = {"reason": "a\nb\0\ud800" + "x" * 10_000, "files": ["\x1b[31m"]}
    note = LogNote(LogEvent.VERDICT, Who(Via.SERVER, "u\0\ud800"), "w", "n" * 500, 1, details)
    line = chained(note, 1, 0.0, NO_LINE)
    assert line["at"] == "1970-01-01T00:00:00.000000Z"
    assert line["actor"] == "u ?"
    assert len(line["name"]) == 256
    assert line["details"]["reason"].startswith("a b  xxx")
    assert len(line["details"]["reason"]) == 300
    assert line["details"]["files"] == [" [31m"]
    assert check_chain([line]).broken is None
    reasons = bounded_reasons([f"reason {number}" for number in range(9)])
    assert reasons == [*(f"reason {number}" for number in range(5)), "and 4 more"]
