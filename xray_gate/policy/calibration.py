"""Calibration files: the scores of reference models, and how they were measured.

A score means something only beside the scores of models that were measured in the same way.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from xray_gate.core.errors import PolicyError
from xray_gate.core.evidence import DetectorEvidence, Evidence

SETTINGS = ("parameters", "preprocessing", "seed", "probes_sha256")
"""What a scan must share with its calibration, to the last key of each."""

# What answers and scores may depend on besides. A difference is told, and blocks nothing.
_VERSIONS = ("xray_gate", "numpy", "onnxruntime", "torch", "mlflow", "device")


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Reference(_Kept):
    """One model's scores: statistic (as `renyi_entropy.valid`) to value.

    `group`: the attack that a backdoored one belongs to; None, and not in the file, for a clean
    one. `environment`: versions and device that answered (none in files of older versions).
    """

    name: str
    digest: str
    architecture: str | None
    group: str | None = Field(default=None, min_length=1)
    probe_accuracy: float = Field(ge=0, le=1)
    scores: dict[str, float]
    environment: dict[str, str] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _without_the_unsaid(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # So that a policy with an older file keeps the digest that it always had.
        dumped: dict[str, Any] = handler(self)
        unsaid = {"group": self.group is None, "environment": not self.environment}
        return {key: value for key, value in dumped.items() if not unsaid.get(key)}


class Calibration(_Kept):
    """The file's contents."""

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

    @property
    def clean(self) -> list[Reference]:
        """The references that a false-positive rate can be stated by."""
        return [reference for reference in self.references if reference.group is None]

    @property
    def settings(self) -> dict[str, Any]:
        """What a scan must share with the references."""
        return {name: getattr(self, name) for name in SETTINGS}

    def title(self) -> str:
        """How reports cite the file."""
        backdoored = len(self.references) - len(self.clean)
        more = f" and {backdoored} backdoored" if backdoored else ""
        return f"{self.name} ({len(self.clean)} clean{more} references, {self.created[:10]})"


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
            f"{path}: this is not a calibration file ({first_problem(error)}); "
            "make one with `xray-gate calibrate --clean ...`"
        ) from error


def first_problem(error: Exception) -> str:
    """What is wrong with a file that does not validate, in a few words."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc']) or 'file'}: {first['msg']}"
    return str(error)


class _OfAFamily(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def architecture(self) -> str | None: ...


Model = TypeVar("Model", bound=_OfAFamily)


def families(models: Sequence[Model]) -> dict[str | None, list[Model]]:
    """Architecture to its models, in their order; None holds those that do not show theirs."""
    found: dict[str | None, list[Model]] = {}
    for model in models:
        found.setdefault(model.architecture, []).append(model)
    return found


def family_text(models: Sequence[_OfAFamily]) -> str:
    """`family sha256:0123456789ab (a.onnx, b.onnx, ...)`; `models` are not empty."""
    names = ", ".join(model.name for model in models[:2]) + (", ..." if models[2:] else "")
    architecture = models[0].architecture
    family = "unknown family" if architecture is None else f"family {architecture[:19]}"
    return f"{family} ({names})"


def measured_settings(evidence: Evidence, detector: DetectorEvidence) -> dict[str, Any]:
    """How a scan was made, to be compared with a calibration's `settings`."""
    return {
        "parameters": dict(_mapping(detector.parameters)),
        "preprocessing": _mapping(evidence.environment).get("preprocessing"),
        "seed": evidence.seed,
        "probes_sha256": None if evidence.probes is None else evidence.probes.sha256,
    }


def differences(recorded: Mapping[str, Any], measured: Mapping[str, Any]) -> list[str]:
    """Which settings of a scan differ from the calibration's, in words.

    Whatever only one of them has differs too, so that no sampling or stopping rule of another
    version can be missed.
    """
    found: list[str] = []
    for key in sorted(recorded.keys() | measured.keys()):
        theirs, ours = recorded.get(key), measured.get(key)
        if key not in recorded:
            found.append(f"{key} is {ours!r}, and the calibration has none")
        elif key not in measured:
            found.append(f"{key} is missing, the calibration's is {theirs!r}")
        elif isinstance(theirs, Mapping) and isinstance(ours, Mapping):
            found += [f"{key}.{text}" for text in differences(theirs, ours)]
        elif theirs != ours:
            found.append(f"{key} is {ours!r}, the calibration's {theirs!r}")
    return found


def versions_of(evidence: Evidence) -> dict[str, str]:
    """What answered and measured in a scan: package to version, and the device."""
    environment = _mapping(evidence.environment)
    found = {name: environment.get(name) for name in _VERSIONS}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def other_versions(calibration: Calibration, evidence: Evidence) -> list[str]:
    """Where a scan had other versions than its references, in words; it does not invalidate it."""
    default = {"xray_gate": calibration.xray_gate_version}
    recorded = [reference.environment or default for reference in calibration.references]
    found: list[str] = []
    for name, ours in versions_of(evidence).items():
        theirs = sorted({versions[name] for versions in recorded if name in versions})
        if theirs and theirs != [ours]:
            found.append(f"{name} {ours}, the references {' and '.join(theirs)}")
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    # Evidence is read back from a database, where it may be anything.
    return value if isinstance(value, Mapping) else {}
