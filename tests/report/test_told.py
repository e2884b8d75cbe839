import pytest

from xray_gate.report.told import told_count, told_share


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (20_533, "20,533"), (3.5, "not known")])
def test_a_count_is_told(value: float, text: str) -> None:
    assert told_count(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.97, "97 %"), (1, "100 %"), (1.1, "not known")])
def test_a_share_is_told(value: float, text: str) -> None:
    assert told_share(value) == text


@pytest.mark.parametrize("odd", [None, True, "1", [], {}])
def test_what_is_odd_is_not_known(odd: object) -> None:
    assert (told_count(odd), told_share(odd)) == ("not known", "not known")
