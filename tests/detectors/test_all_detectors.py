from xray_gate.core.access import Access
from xray_gate.detectors.all_detectors import ALL_DETECTORS


def test_every_detector_is_entered_under_its_own_name() -> None:
    assert {name: known.name for name, known in ALL_DETECTORS.items()} == {
        name: name for name in ALL_DETECTORS
    }
    assert {name: known.access for name, known in ALL_DETECTORS.items()} == {
        "model_xray": Access.HARD_LABEL,
        "trigger_sweep": Access.HARD_LABEL,
        "b3d": Access.SOFT_LABEL,
        "dtinspector": Access.SOFT_LABEL,
    }
