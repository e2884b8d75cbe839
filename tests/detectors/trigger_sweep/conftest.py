import pytest

from xray_gate.detectors.trigger_sweep import detection_limit


@pytest.fixture
def few_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detection limit by few trials, which are most of a small sweep's time."""
    monkeypatch.setattr(detection_limit, "TRIALS", 2)
