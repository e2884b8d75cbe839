from xray_gate.core.access import Access
from xray_gate.core.evidence import RunState
from xray_gate.detectors.all_detectors import ALL_DETECTORS, available_detectors
from xray_gate.detectors.b3d.detector import B3D
from xray_gate.detectors.model_xray import ModelXray
from xray_gate.detectors.not_built import NotBuilt
from xray_gate.detectors.trigger_sweep.detector import TriggerSweep


def test_every_detector_is_entered_under_its_own_name() -> None:
    assert {name: known.name for name, known in ALL_DETECTORS.items()} == {
        name: name for name in ALL_DETECTORS
    }
    assert {name: known.access for name, known in ALL_DETECTORS.items()} == {
        "model_xray": Access.HARD_LABEL,
        "trigger_sweep": Access.HARD_LABEL,
        "b3d": Access.SOFT_LABEL,
        "dtinspector": Access.GRADIENT,
    }


def test_only_what_can_run_is_available() -> None:
    assert available_detectors() == {
        "model_xray": ModelXray,
        "trigger_sweep": TriggerSweep,
        "b3d": B3D,
    }


def test_what_is_not_built_is_skipped_with_a_reason() -> None:
    missing = [known for known in ALL_DETECTORS.values() if isinstance(known, NotBuilt)]
    assert [known.name for known in missing] == ["dtinspector"]
    for known in missing:
        evidence = known.skipped()
        assert evidence.state is RunState.SKIPPED
        assert evidence.name == known.name
        assert str(evidence.reason).startswith("not part of this release; ")
        assert evidence.statistics == {}
