import math

import pytest

from xray_gate.report.foreign import (
    as_count,
    as_label,
    as_labelled,
    as_list,
    as_mapping,
    as_number,
    as_share,
    as_text,
)

ODD = [None, True, "1", b"1", math.nan, math.inf, 10**5000, -(10**5000), [1], {"a": 1}, 1j]


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_what_is_no_finite_number_is_none(value: object) -> None:
    assert [read(value) for read in (as_number, as_share, as_count, as_label)] == [None] * 4


def test_numbers_are_read_within_their_ranges() -> None:
    assert [as_number(value) for value in (0, -2.5, 7)] == [0.0, -2.5, 7.0]
    assert [as_share(value) for value in (0, 1, 0.5, -0.1, 1.1)] == [0.0, 1.0, 0.5, None, None]
    assert [as_count(value) for value in (0, 3.0, 3.5, -1)] == [0, 3, None, None]
    assert [as_label(value) for value in (0, 99_999_999, 10**8)] == [0, 99_999_999, None]


def test_containers_and_texts_of_another_kind_are_empty() -> None:
    assert (as_list((1, 2)), as_list("ab"), as_list({"a": 1})) == ([1, 2], [], [])
    assert (as_mapping({"a": 1}), as_mapping([1])) == ({"a": 1}, {})
    assert (as_text("a"), as_text(1)) == ("a", None)


def test_values_by_label_come_from_lists_and_mappings() -> None:
    assert as_labelled(["a", None]) == [(0, "a"), (1, None)]
    kept = {"0": 1, 12: 2, "99999999": 3}
    odd = {"x": 1, "-1": 1, "1.0": 1, "": 1, "100000000": 1, "9" * 5000: 1}
    assert as_labelled(kept | odd) == [(0, 1), (12, 2), (99_999_999, 3)]
    empty: list[object] = [None, "ab", 1, {}, []]
    assert [as_labelled(value) for value in empty] == [[]] * 5
