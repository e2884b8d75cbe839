import pytest

from xray_gate.report.told import told_count, told_labels, told_pixels, told_share


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (20_533, "20,533"), (3.5, "not known")])
def test_a_count_is_told(value: float, text: str) -> None:
    assert told_count(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.97, "97 %"), (1, "100 %"), (1.1, "not known")])
def test_a_share_is_told(value: float, text: str) -> None:
    assert told_share(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0.0"), (45.36, "45.4"), (2e12, "2,000,000,000,000"), (-1, "not known")]
)
def test_the_size_of_a_mask_is_told(value: float, text: str) -> None:
    assert told_pixels(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([2, 0], "2, 0 cat"),
        (["x", -1, 1.0, None], "1 dog"),
        (list(range(2, 15)), "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 and 1 more"),
        ({"0": 1}, ""),
    ],
)
def test_labels_are_told_by_name_up_to_a_number(value: object, text: str) -> None:
    assert told_labels(value, ["cat", "dog"]) == text


@pytest.mark.parametrize("odd", [None, True, "1", [], {}])
def test_what_is_odd_is_not_known(odd: object) -> None:
    assert {told_count(odd), told_share(odd), told_pixels(odd)} == {"not known"}
