"""Every family by name, in the order of a report; new ones are entered here by hand."""

from xray_gate.detectors.trigger_sweep.families.additive import Residual, SmoothField, Stripes
from xray_gate.detectors.trigger_sweep.families.blends import NoiseBlend, SmoothBlend
from xray_gate.detectors.trigger_sweep.families.ghosts import Ghost, Reflection
from xray_gate.detectors.trigger_sweep.families.interface import TriggerFamily
from xray_gate.detectors.trigger_sweep.families.local import Frame, Patch, Pixels
from xray_gate.detectors.trigger_sweep.families.whole_image import (
    ColourShift,
    Quantisation,
    Warp,
)

_LISTED: tuple[type[TriggerFamily], ...] = (
    Patch,
    Pixels,
    Frame,
    NoiseBlend,
    SmoothBlend,
    Ghost,
    SmoothField,
    Stripes,
    Residual,
    Quantisation,
    ColourShift,
    Warp,
    Reflection,
)
ALL_FAMILIES: dict[str, TriggerFamily] = {family.name: family() for family in _LISTED}
