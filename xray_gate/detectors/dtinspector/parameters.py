"""How DTInspector learns its patches; what a transfer ratio may be is the policy's affair."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from xray_gate.core.errors import InputError
from xray_gate.detectors.json_parameters import require_known
from xray_gate.detectors.trigger_reversal.settings import ReversalSettings

_BOUNDS = {"samples": (10, 2000), "iterations": (1, 10_000), "batch": (1, 1024)}


@dataclass(frozen=True)
class DTInspectorParameters:
    """`samples` (K, the paper's 50) confident and as many unconfident ones are taken of each label.

    The paper learns patches by gradients; here they are learned by queries, for at most
    `iterations`, on mini-batches of `batch`. Raises `InputError` for values out of range.
    """

    samples: int = 50
    iterations: int = 200
    batch: int = 32

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise InputError(f"dtinspector: {name} is {value!r}; set it to {least} to {most}")

    @property
    def settings(self) -> ReversalSettings:
        """For the optimiser: lambda from 1e-4, and 95 % of the confident samples changed."""
        return ReversalSettings(
            iterations=self.iterations, batch=self.batch, success=0.95, size_weight=1e-4
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `from_json` is the way back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from JSON values; what is left out keeps its default.

        Raises `InputError` for a parameter that is unknown or out of range.
        """
        return cls(**require_known("dtinspector", [item.name for item in fields(cls)], data))
