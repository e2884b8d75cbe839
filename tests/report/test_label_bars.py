import pytest

from xray_gate.report.label_bars import label_bars


def test_bars_are_sorted_and_empty_labels_left_out() -> None:
    bars = label_bars([0.1, 0.0, 0.6], ["cat", "dog", "bird"])
    assert [(bar.name, bar.share) for bar in bars] == [("2 bird", 0.6), ("0 cat", 0.1)]


def test_a_mapping_over_labels_is_read_as_a_list_is() -> None:
    assert label_bars({"0": 0.1, "2": 0.6}, None) == label_bars([0.1, 0.0, 0.6], None)


def test_labels_beyond_the_list_are_put_together_as_asked() -> None:
    shares = [0.5, *[0.02] * 20]
    assert label_bars(shares, None)[-1].share == pytest.approx(9 * 0.02)
    rest = label_bars(shares, None, together=max)[-1]
    assert (rest.name, rest.share, rest.others) == ("9 more labels", 0.02, True)


@pytest.mark.parametrize(
    "shares",
    [None, 3, "0.5", [], {}, [None, "x", True, 2.0, -1.0], {"-1": 0.5, "9" * 99: 0.5, "x": 0.5}],
)
def test_what_is_no_distribution_has_no_bars(shares: object) -> None:
    assert label_bars(shares, None) == []
