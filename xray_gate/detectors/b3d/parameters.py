"""How B3D looks for triggers; which of them are too small is the policy's affair."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from xray_gate.core.errors import InputError
from xray_gate.detectors.json_parameters import require_known
from xray_gate.detectors.trigger_reversal.settings import ReversalSettings

IMAGES = ("probes", "synthetic")
_BOUNDS: dict[str, tuple[float, float]] = {
    "iterations": (1, 10_000),
    "batch": (1, 1024),
    "samples": (2, 1000),
    "sigma": (1e-3, 10.0),
    "learning_rate": (1e-4, 10.0),
}


@dataclass(frozen=True)
class B3DParameters:
    """How long triggers are looked for, and on which images.

    `samples` (k), `sigma` and `learning_rate` are the paper's. It names neither the size of a
    mini-batch (`batch`) nor the number of `iterations`; ours are for a CPU, take 64 and 1,000 on a
    GPU. `images`: `probes`, or `synthetic` for B3D-SS, which fits triggers to noise that was pushed
    to every class. Raises `InputError` for values out of range.
    """

    iterations: int = 300
    batch: int = 32
    samples: int = 50
    sigma: float = 0.1
    learning_rate: float = 0.05
    images: str = "probes"

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            kinds = (int,) if isinstance(least, int) else (int, float)
            if type(value) not in kinds or not least <= value <= most:
                raise InputError(f"b3d: {name} is {value!r}; set it to {least} to {most}")
        if self.images not in IMAGES:
            raise InputError(f"b3d: images is {self.images!r}; use one of {', '.join(IMAGES)}")

    @property
    def settings(self) -> ReversalSettings:
        """For the optimiser."""
        return ReversalSettings(
            iterations=self.iterations,
            batch=self.batch,
            samples=self.samples,
            sigma=self.sigma,
            learning_rate=self.learning_rate,
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `from_json` is the way back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from JSON values; what is left out keeps its default.

        Raises `InputError` for a parameter that is unknown or out of range.
        """
        return cls(**require_known("b3d", [item.name for item in fields(cls)], data))
