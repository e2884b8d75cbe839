"""What a policy may say of every detector: whether it counts, and when it runs."""

from abc import abstractmethod
from typing import Any, Literal

from pydantic import Field, field_validator, model_serializer
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from xray_gate.policy.strict import Strict

Mode = Literal["required", "optional", "off"]
# Those whose rules know how near a pass was to a failure.
Cheap = Literal["model_xray", "trigger_sweep"]
# Of a detector's settings, those that it is never told.
OF_THE_POLICY = ("mode", "only_near")


class OnlyNear(Strict):
    """A detector runs only where a cheap one before it is near its threshold (see `escalation`).

    Near is a p-value of at most `factor` times the level: of models without a backdoor that share
    pays at most, a tenth by the sweep's usual level. For the sweep, near is also an excess of at
    least minus `margin`. Of 22 development models that it passed, 4 of 5 backdoored ones were near
    at 0.1, and 3 of 17 clean ones; the p-value alone found one of the 5.
    """

    detectors: list[Cheap] = Field(min_length=1)
    factor: float = Field(default=10.0, gt=1, le=1e6)
    margin: float = Field(default=0.1, ge=0, le=1)


class DetectorSpec(Strict):
    """What every detector's settings begin with.

    `required`: it must pass. `optional`: what it finds blocks, what it cannot tell does not.
    Without `only_near` it always runs.
    """

    mode: Mode = "required"
    only_near: OnlyNear | None = None

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What is measured, as the detector's own parameters (JSON values)."""

    @field_validator("only_near")
    @classmethod
    def _names_each_once(cls, value: OnlyNear | None) -> OnlyNear | None:
        if value and len(set(value.detectors)) < len(value.detectors):
            raise ValueError("names a detector twice; name each once")
        return value

    @model_serializer(mode="wrap")
    def _without_the_unsaid(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # So that a policy which does not speak of it keeps the digest that it always had.
        dumped: dict[str, Any] = handler(self)
        if self.only_near is None:
            dumped.pop("only_near", None)
        return dumped
