import pytest

from xray_gate.detectors.trigger_reversal.settings import ReversalSettings, SizeWeight

SETTINGS = ReversalSettings(size_weight=0.001, raised=2.0, lowered=4.0, patience=3, success=0.99)


def after(rates: list[float]) -> float:
    weight = SizeWeight(SETTINGS)
    for rate in rates:
        weight.tell(rate)
    return weight.value


@pytest.mark.parametrize(
    ("rates", "value"),
    [
        ([], 0.001),
        ([1.0] * 2, 0.001),
        ([1.0] * 3, 0.002),
        ([1.0] * 9, 0.008),
        ([0.99] * 3, 0.002),
        ([0.98] * 3, 0.001),
        ([1.0] * 9 + [0.98] * 3, 0.002),
        # A streak that breaks begins anew.
        ([1.0, 1.0, 0.5, 1.0, 1.0], 0.001),
        ([0.5, 0.5, 1.0, 0.5, 0.5], 0.001),
        ([1.0] * 6 + [0.0] * 3, 0.001),
        # It never falls so far that it could not come back.
        ([0.0] * 300, 0.001),
    ],
)
def test_lambda_follows_the_streaks(rates: list[float], value: float) -> None:
    assert after(rates) == pytest.approx(value)


def test_it_has_turned_when_it_falls_after_a_rise() -> None:
    weight = SizeWeight(SETTINGS)
    for rate, turned in (
        [(0.0, False)] * 3 + [(1.0, False)] * 3 + [(0.0, False)] * 2 + [(0.0, True)]
    ):
        weight.tell(rate)
        assert weight.turned is turned


def test_the_cost_of_a_search_is_known() -> None:
    settings = ReversalSettings(iterations=10, batch=4, samples=5)
    assert settings.candidates == 11
    assert settings.queries == 440
