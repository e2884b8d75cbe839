"""Every detector by name, in the order of a report; new ones are entered here by hand."""

from xray_gate.detectors.b3d.detector import B3D
from xray_gate.detectors.interface import Detector
from xray_gate.detectors.model_xray import ModelXray
from xray_gate.detectors.not_built import DTINSPECTOR, NotBuilt
from xray_gate.detectors.trigger_sweep.detector import TriggerSweep

ALL_DETECTORS: dict[str, type[Detector] | NotBuilt] = {
    ModelXray.name: ModelXray,
    TriggerSweep.name: TriggerSweep,
    B3D.name: B3D,
    DTINSPECTOR.name: DTINSPECTOR,
}


def available_detectors() -> dict[str, type[Detector]]:
    """Those that this release can run, by name."""
    return {name: d for name, d in ALL_DETECTORS.items() if not isinstance(d, NotBuilt)}
