"""How Model X-ray lays its planes, how it samples and scores them, and when it stops."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

from xray_gate.core.errors import InputError
from xray_gate.detectors.json_parameters import with_names
from xray_gate.probing.planes import PixelRange

Sampling = Literal["dense", "adaptive"]

HORIZON: PixelRange = "valid"
"""The range whose planes have a horizon."""


@dataclass(frozen=True)
class ModelXrayParameters:
    """How planes are laid, sampled and scored; the first six are the paper's, in both ranges.

    `eta`: how far a plane reaches beyond the samples' bounding box, in lengths of its sides, 0 to
    100. `size`: grid points along an axis (the paper's S), 2 to 1000. `planes`: how many (N), 1
    to 1000. `alpha`: order of the Renyi entropy, 1 to 1000. `cap`: the share from which a
    sample's region counts 0 (t), above 0 and at most 1. `directions`: points of each plane's
    horizon, an even number from 2 to 1000. `sampling`: whether every point of a grid is asked, as
    published, or those that decide (probing/plane_sampling.py). `least_planes`: how many are drawn
    before it is asked whether the verdict is settled, and again after as many more; 1 to 1000,
    with `planes` or more it never is. `stop_error`: the chance, above 0 and below 0.5, at which all
    planes may have said otherwise. Raises `InputError` for anything else.
    """

    eta: float = 5.0
    size: int = 100
    planes: int = 20
    alpha: float = 10.0
    cap: float = 0.5
    pixel_ranges: tuple[PixelRange, ...] = ("unclipped", "valid")
    directions: int = 32
    sampling: Sampling = "adaptive"
    least_planes: int = 3
    stop_error: float = 0.01

    def __post_init__(self) -> None:
        _require("eta", self.eta, 0.0, 100.0)
        _require("size", self.size, 2, 1000, whole=True)
        _require("planes", self.planes, 1, 1000, whole=True)
        _require("alpha", self.alpha, 1.0, 1000.0)
        # The smallest positive float: a cap of 0 would leave no sample any area.
        _require("cap", self.cap, math.ulp(0.0), 1.0)
        _require("directions", self.directions, 2, 1000, whole=True)
        if self.directions % 2:
            raise InputError(
                f"model_xray: directions is {self.directions}; set it to an even number, so that "
                "each has its opposite"
            )
        if self.sampling not in get_args(Sampling):
            raise InputError(
                f"model_xray: sampling is {self.sampling!r}; set it to one of "
                f"{', '.join(get_args(Sampling))}"
            )
        _require("least_planes", self.least_planes, 1, 1000, whole=True)
        _require("stop_error", self.stop_error, math.ulp(0.0), 0.5)
        known = get_args(PixelRange)
        ranges = self.pixel_ranges
        if not ranges or len(set(ranges)) < len(ranges) or not set(ranges) <= set(known):
            raise InputError(
                f"model_xray: pixel_ranges is {list(ranges)}; name one or more of "
                f"{', '.join(known)}, each once"
            )

    @property
    def queries(self) -> int:
        """The most that one run asks: every point of every plane."""
        horizon = self.directions if self.sees_horizons else 0
        return self.planes * (self.size**2 * len(self.pixel_ranges) + horizon)

    @property
    def sees_horizons(self) -> bool:
        """Whether the valid range is scanned, which horizons belong to."""
        return HORIZON in self.pixel_ranges

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `from_json` is the way back."""
        return {**asdict(self), "pixel_ranges": list(self.pixel_ranges)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from JSON values; what is left out keeps its default.

        Raises `InputError` for a parameter that is unknown or out of range.
        """
        known = [item.name for item in fields(cls)]
        return cls(**with_names("model_xray", known, data, "pixel_ranges"))


def _require(name: str, value: Any, low: float, high: float, *, whole: bool = False) -> None:
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        least = "above 0 and at most" if low == math.ulp(0.0) else f"from {low:g} to"
        kind = "a whole number" if whole else "a number"
        raise InputError(f"model_xray: {name} is {value!r}; set it to {kind} {least} {high:g}")
