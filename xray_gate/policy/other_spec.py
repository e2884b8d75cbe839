"""What a policy says of a detector that a plug-in brings: parameters, and bounds for numbers."""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from xray_gate.policy.detector_spec import DetectorSpec
from xray_gate.policy.strict import Strict

OtherName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,59}$")]


class OtherBound(Strict):
    """A threshold for one statistic, with the place that it comes from.

    `statistic` is a dotted path into the detector's statistics, as `score` or `index.largest`. A
    value at the bound counts as beyond it.
    """

    statistic: str = Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$", max_length=200)
    bound: float
    suspicious: Literal["below", "above"]
    source: str = Field(min_length=1)


class OtherSpec(DetectorSpec):
    """A plug-in's detector: all of its `parameters`, and the thresholds for its statistics.

    The server, which decides, may not have the plug-in and so cannot know its defaults. So a
    parameter that is not named here makes what was measured inconclusive. Without thresholds the
    detector only informs.
    """

    parameters: dict[str, Any] = Field(default_factory=dict)
    thresholds: list[OtherBound] = Field(default_factory=list)

    def settings(self) -> dict[str, Any]:
        """See `DetectorSpec.settings`."""
        return dict(self.parameters)

    @field_validator("parameters")
    @classmethod
    def _parameters_are_json(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            same = json.loads(json.dumps(value, allow_nan=False)) == value
        except (TypeError, ValueError):
            same = False
        if not same:
            raise ValueError("hold something that is not JSON; use text, finite numbers, lists")
        return value

    @model_validator(mode="after")
    def _statistics_differ(self) -> Self:
        named = [bound.statistic for bound in self.thresholds]
        if len(set(named)) < len(named):
            raise ValueError("thresholds names a statistic twice; name each once")
        return self
