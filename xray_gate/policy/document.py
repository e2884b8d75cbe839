"""Policy v1 as it stands in a YAML file, validated by pydantic.

Unknown keys are errors: a misspelt setting must not silently fall back to a default.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from xray_gate.core.verdict import Enforcement
from xray_gate.policy.calibration import Side

Glob = Annotated[str, Field(min_length=1)]
Statistic = Literal[
    "renyi_entropy.unclipped",
    "renyi_entropy.valid",
    "ats.unclipped",
    "ats.valid",
    "largest_share.unclipped",
    "largest_share.valid",
]


class _Strict(BaseModel):
    # A NaN compares as harmless with every score, and would switch a threshold off.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Match(_Strict):
    """Which registered models the policy is for: globs over their names, without regard to case."""

    registered_models: list[Glob] = Field(min_length=1)


class PreprocessingSpec(_Strict):
    """From pixels in [0, 1] to the model's input; see `probing.preprocessing`."""

    scale: float = Field(default=1.0, gt=0)
    mean: list[float] | None = None
    std: list[Annotated[float, Field(gt=0)]] | None = None
    layout: Literal["auto", "nchw", "nhwc"] = "auto"
    dtype: Literal["auto", "float32", "float16", "uint8"] = "auto"
    size: Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=2, max_length=2)] | None = (
        None
    )


class FixedBound(_Strict):
    """A threshold given as a number, with the place that it comes from."""

    statistic: Statistic
    bound: float
    suspicious: Literal["below", "above"] = "below"
    source: str = Field(min_length=1)


class CalibratedBounds(_Strict):
    """Thresholds from a calibration file, at a false-positive level.

    The level is shared out evenly over the statistics (Bonferroni), so that the chance of
    refusing a clean model stays under it however many statistics are judged.
    """

    calibration: str = Field(min_length=1)
    level: float = Field(default=0.05, gt=0, lt=1)
    statistics: list[Statistic] = Field(min_length=1)
    suspicious: dict[Statistic, Side] = Field(default_factory=dict)
    unsafe_any_architecture: bool = False


def _kind_of_thresholds(value: Any) -> str | None:
    if isinstance(value, list):
        return "<fixed>"
    return "<calibrated>" if isinstance(value, dict | CalibratedBounds) else None


# Told apart by their kind, so that a mistake in one is not reported against both.
Thresholds = Annotated[
    Annotated[CalibratedBounds, Tag("<calibrated>")] | Annotated[list[FixedBound], Tag("<fixed>")],
    Discriminator(
        _kind_of_thresholds,
        custom_error_type="thresholds",
        custom_error_message="is neither a mapping with `calibration` nor a list of bounds",
    ),
]


class ModelXraySpec(_Strict):
    """Model X-ray's parameters (the paper's defaults) and the thresholds for its scores."""

    mode: Literal["required", "optional", "off"] = "required"
    eta: float = Field(default=5.0, gt=0, le=100)
    size: int = Field(default=100, ge=2, le=1000, description="S, grid points a side")
    planes: int = Field(default=20, ge=1, le=1000, description="N")
    alpha: float = Field(default=10.0, ge=1, le=100)
    cap: float = Field(default=0.5, gt=0, le=1, description="t")
    pixel_ranges: list[Literal["unclipped", "valid"]] = Field(
        default=["unclipped", "valid"], min_length=1, max_length=2
    )
    thresholds: Thresholds | None = None

    @model_validator(mode="after")
    def _ranges_differ(self) -> "ModelXraySpec":
        if len(set(self.pixel_ranges)) < len(self.pixel_ranges):
            raise ValueError("pixel_ranges names a range twice; name each once")
        return self

    @model_validator(mode="after")
    def _thresholds_are_measured(self) -> "ModelXraySpec":
        named: list[str] = []
        if isinstance(self.thresholds, CalibratedBounds):
            named = [*self.thresholds.statistics, *self.thresholds.suspicious]
        elif self.thresholds:
            named = [bound.statistic for bound in self.thresholds]
        for statistic in named:
            if statistic.rpartition(".")[2] not in self.pixel_ranges:
                raise ValueError(
                    f"a threshold is set for {statistic}, but that pixel range is not measured; "
                    f"add it to pixel_ranges (now {', '.join(self.pixel_ranges)})"
                )
        return self


class Detectors(_Strict):
    """The detectors that this release has. Those not named here are reported as skipped."""

    model_xray: ModelXraySpec


class Promotion(_Strict):
    """What counts as a promotion and therefore needs an admitting verdict."""

    free_aliases: list[Glob] = Field(default_factory=list)
    stages: list[Literal["Staging", "Production"]] = Field(default=["Staging", "Production"])
    copies: bool = True


class Limits(_Strict):
    """What the process that holds the model may use."""

    seconds: float = Field(default=600.0, gt=0)
    memory_mb: int = Field(default=8192, ge=64)


class PolicyDocument(_Strict):
    """One policy. `match` may be missing only where a policy is not used by a registry."""

    api_version: Literal["xray-gate/v1"] = Field(alias="apiVersion")
    kind: Literal["Policy"]
    name: str = Field(min_length=1, max_length=100)
    description: str = ""
    match: Match | None = None
    enforcement: Enforcement = Enforcement.ENFORCE
    probes: str | None = None
    classes: int | None = Field(default=None, ge=2, description="labels that the model must have")
    class_names: list[str] | None = None
    min_probe_accuracy: float = Field(default=0.5, ge=0, le=1)
    preprocessing: PreprocessingSpec = PreprocessingSpec()
    outputs: Literal["auto", "logits", "probabilities", "labels"] = "auto"
    detectors: Detectors
    promotion: Promotion = Promotion()
    limits: Limits = Limits()
    unsafe_allow_unscanned_reads: bool = False

    @model_validator(mode="after")
    def _something_decides(self) -> "PolicyDocument":
        if self.detectors.model_xray.mode != "required":
            raise ValueError(
                "no detector is required, so nothing could ever justify a pass; "
                "set detectors.model_xray.mode to required"
            )
        return self
