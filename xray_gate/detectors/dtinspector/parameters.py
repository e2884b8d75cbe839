"""How DTInspector learns its patches; what a transfer ratio may be is the policy's affair."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

from xray_gate.core.errors import InputError
from xray_gate.detectors.json_parameters import require_known
from xray_gate.detectors.trigger_reversal.settings import ReversalSettings

_BOUNDS = {
    "samples": (10, 1000),
    "steps": (1, 10_000),
    "iterations": (1, 10_000),
    "batch": (1, 1024),
}

PatchesBy = Literal["gradients", "queries", "gradients_or_queries"]


@dataclass(frozen=True)
class DTInspectorParameters:
    """`samples` (K, the paper's 50) confident and as many unconfident ones are taken of each label.

    `patches_by`: patches are learned by `gradients`, as in the paper, in at most `steps` on all
    confident samples; or by `queries`, our variant, in at most `iterations` on mini-batches of
    `batch`; or in the second way only where the model shows no gradients. Raises `InputError` for
    values out of range.
    """

    samples: int = 50
    patches_by: PatchesBy = "gradients_or_queries"
    steps: int = 500
    iterations: int = 200
    batch: int = 32

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise InputError(f"dtinspector: {name} is {value!r}; set it to {least} to {most}")
        if self.patches_by not in get_args(PatchesBy):
            raise InputError(
                f"dtinspector: patches_by is {self.patches_by!r}; set it to one of "
                f"{', '.join(get_args(PatchesBy))}"
            )

    @property
    def descent(self) -> ReversalSettings:
        """By gradients: as `search`, with the learning rate of Neural Cleanse."""
        return ReversalSettings(
            iterations=self.steps, success=0.95, size_weight=1e-4, learning_rate=0.1
        )

    @property
    def search(self) -> ReversalSettings:
        """By queries: lambda from 1e-4, and 95 % of the confident samples changed."""
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
