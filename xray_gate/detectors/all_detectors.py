"""Every detector by name, in the order of a report; our own are entered here by hand."""

from xray_gate.detectors.b3d.detector import B3D
from xray_gate.detectors.dtinspector.detector import DTInspector
from xray_gate.detectors.interface import Detector
from xray_gate.detectors.model_xray.detector import ModelXray
from xray_gate.detectors.plugins import read_plugins
from xray_gate.detectors.trigger_sweep.detector import TriggerSweep

ALL_DETECTORS: dict[str, type[Detector]] = {
    ModelXray.name: ModelXray,
    TriggerSweep.name: TriggerSweep,
    B3D.name: B3D,
    DTInspector.name: DTInspector,
}


def installed_detectors() -> dict[str, type[Detector]]:
    """Ours, then those of plug-ins in the order of their names.

    Raises `InputError` for a plug-in that cannot be used.
    """
    return {**ALL_DETECTORS, **read_plugins(ALL_DETECTORS)}
