"""Calibration files: scores of reference models, and the bounds that follow from them.

A score means something only beside the scores of clean models that were measured in the same way.
The bound is conformal: p = (1 + number of clean references at least as extreme) / (n + 1), which
bounds the false-positive rate whatever the distribution, and says openly when n is too small.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xray_gate.core.errors import PolicyError

Side = Literal["below", "above", "both"]


class Reference(BaseModel):
    """One clean model's scores: statistic (as `renyi_entropy.valid`) to value."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    digest: str
    architecture: str | None
    probe_accuracy: float = Field(ge=0, le=1)
    scores: dict[str, float]


class Calibration(BaseModel):
    """The file's contents. Everything that a scan must share with its references is recorded."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal["xray-gate/calibration-v1"] = "xray-gate/calibration-v1"
    detector: Literal["model_xray"] = "model_xray"
    name: str = Field(min_length=1)
    created: str
    command: str
    xray_gate_version: str
    parameters: dict[str, Any]
    preprocessing: dict[str, Any]
    seed: int
    probes_sha256: str
    references: list[Reference] = Field(min_length=1)

    @model_validator(mode="after")
    def _numbers_are_finite(self) -> Self:
        json.dumps([self.parameters, self.preprocessing], allow_nan=False)
        return self

    def title(self) -> str:
        """How reports cite the file."""
        return f"{self.name} ({len(self.references)} clean references, {self.created[:10]})"


def read_calibration(path: Path) -> Calibration:
    """Read a calibration file; `PolicyError` when it is missing or malformed."""
    try:
        return Calibration.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyError(
            f"{path}: the calibration file cannot be read ({error.strerror}); "
            "make one with `xray-gate calibrate --clean ...`"
        ) from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise PolicyError(
            f"{path}: this is not a calibration file ({_first_problem(error)}); "
            "make one with `xray-gate calibrate --clean ...`"
        ) from error


def _first_problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc']) or 'file'}: {first['msg']}"
    return str(error)


@dataclass(frozen=True)
class ConformalBound:
    """A score is suspicious when it lies beyond `low` or `high` (None: that side is not judged)."""

    low: float | None
    high: float | None

    def is_suspicious(self, score: float) -> bool:
        """Whether the conformal p-value of `score` is at most the level that the bound is for."""
        return (self.low is not None and score < self.low) or (
            self.high is not None and score > self.high
        )


def references_needed(level: float) -> int:
    """The fewest references that can reach `level` on one side: .05 needs 19, .01 needs 99."""
    return math.ceil(1 / level - 1e-9) - 1


def extreme_references(score: float, references: Sequence[float], side: Side) -> int:
    """How many references are at least as extreme as `score`; ties count (conservative).

    For `both`, the smaller of the two sides' numbers.
    """
    below = sum(reference <= score for reference in references)
    above = sum(reference >= score for reference in references)
    return {"below": below, "above": above, "both": min(below, above)}[side]


def conformal_bound(references: Sequence[float], level: float, side: Side) -> ConformalBound | None:
    """The bound at `level`, in (0, 1), or None when there are too few references for it.

    A two-sided bound spends half of the level on each side.
    """
    one_side = level / 2 if side == "both" else level
    allowed = math.floor(one_side * (len(references) + 1) + 1e-9) - 1
    if allowed < 0:
        return None
    ordered = sorted(references)
    return ConformalBound(
        low=ordered[min(allowed, len(ordered) - 1)] if side in ("below", "both") else None,
        high=ordered[max(-1 - allowed, -len(ordered))] if side in ("above", "both") else None,
    )


def differences(calibration: Calibration, measured: Mapping[str, Any]) -> list[str]:
    """Which of the settings that were `measured` differ from the calibration's, in words."""
    recorded = calibration.model_dump()
    return [
        f"{key} is {measured[key]!r}, the calibration's {recorded[key]!r}"
        if not isinstance(measured[key], dict)
        else _differing_keys(key, measured[key], recorded[key])
        for key in measured
        if measured[key] != recorded[key]
    ]


def _differing_keys(name: str, measured: Mapping[str, Any], recorded: Mapping[str, Any]) -> str:
    keys = sorted(measured.keys() | recorded.keys())
    return "; ".join(
        f"{name}.{key} is {measured.get(key)!r}, the calibration's {recorded.get(key)!r}"
        for key in keys
        if measured.get(key) != recorded.get(key)
    )
