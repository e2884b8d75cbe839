"""How a sweep is done; what it may conclude is the policy's affair."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from xray_gate.core.errors import InputError
from xray_gate.detectors.json_parameters import with_names
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES


@dataclass(frozen=True)
class TriggerSweepParameters:
    """Which families are tried, and at what cost.

    `families`: names, each once. `queries`: the most that one sweep may ask, 8,000 to 1,000,000.
    Raises `InputError` for anything else.
    """

    families: tuple[str, ...] = field(default=tuple(ALL_FAMILIES))
    queries: int = 30_000

    def __post_init__(self) -> None:
        unknown = [name for name in self.families if name not in ALL_FAMILIES]
        if unknown or not self.families or len(set(self.families)) < len(self.families):
            raise InputError(
                f"trigger_sweep: families is {list(self.families)}; name one or more of "
                f"{', '.join(ALL_FAMILIES)}, each once"
            )
        whole = isinstance(self.queries, int) and not isinstance(self.queries, bool)
        if not whole or not 8_000 <= self.queries <= 1_000_000:
            raise InputError(
                f"trigger_sweep: queries is {self.queries!r}; set it to a whole number from 8000 "
                "to 1000000"
            )

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `from_json` is the way back."""
        return {**asdict(self), "families": list(self.families)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from JSON values; what is left out keeps its default.

        Raises `InputError` for a parameter that is unknown or out of range.
        """
        known = [item.name for item in fields(cls)]
        return cls(**with_names("trigger_sweep", known, data, "families"))
