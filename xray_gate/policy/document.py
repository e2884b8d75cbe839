"""Policy v1 as it stands in a YAML file, validated by pydantic."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from xray_gate.core.verdict import Enforcement
from xray_gate.policy.detector_specs import Detectors
from xray_gate.policy.strict import Strict

Glob = Annotated[str, Field(min_length=1)]


class Match(Strict):
    """Which registered models the policy is for: globs over their names, without regard to case."""

    registered_models: list[Glob] = Field(min_length=1)


class PreprocessingSpec(Strict):
    """From pixels in [0, 1] to the model's input; see `probing.preprocessing`."""

    scale: float = Field(default=1.0, gt=0)
    mean: list[float] | None = None
    std: list[Annotated[float, Field(gt=0)]] | None = None
    layout: Literal["auto", "nchw", "nhwc"] = "auto"
    dtype: Literal["auto", "float32", "float16", "uint8"] = "auto"
    size: Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=2, max_length=2)] | None = (
        None
    )


class Promotion(Strict):
    """What counts as a promotion and therefore needs an admitting verdict."""

    free_aliases: list[Glob] = Field(default_factory=list)
    stages: list[Literal["Staging", "Production"]] = Field(default=["Staging", "Production"])
    copies: bool = True


class Limits(Strict):
    """What the process that holds the model may use."""

    seconds: float = Field(default=600.0, gt=0)
    memory_mb: int = Field(default=8192, ge=64)


class PolicyDocument(Strict):
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
    def _something_decides(self) -> Self:
        if all(spec.mode != "required" for spec in self.detectors.named().values()):
            raise ValueError(
                "no detector is required, so nothing could ever justify a pass; "
                "set detectors.trigger_sweep.mode to required"
            )
        return self
