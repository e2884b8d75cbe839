"""What a policy says of the verdict: how many detectors must find something to fail a version."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from xray_gate.policy.strict import Strict

Weight = Annotated[float, Field(gt=0, le=1000)]


class DecisionSpec(Strict):
    """How the outcomes of several detectors become one verdict; see `agreement`.

    `any`: one that found something fails the version. `all`: every one that reached an outcome
    must have found something. `weighted`: those that did must hold `threshold` (in (0, 1]) of the
    `weights` of all that reached an outcome; a detector without a weight has none of it. Where some
    found something, but too few, the version is undecided. `unsafe_pass_if_outvoted` lets it pass
    then, if every required detector passed.
    """

    rule: Literal["any", "all", "weighted"] = "any"
    weights: Annotated[dict[str, Weight], Field(min_length=1)] | None = None
    threshold: float | None = Field(default=None, gt=0, le=1)
    unsafe_pass_if_outvoted: bool = False

    @model_validator(mode="after")
    def _says_what_its_rule_needs(self) -> Self:
        for name, value in (("weights", self.weights), ("threshold", self.threshold)):
            if self.rule == "weighted" and value is None:
                raise ValueError(f"the rule `weighted` needs `{name}`; add it")
            if self.rule != "weighted" and value is not None:
                raise ValueError(
                    f"`{name}` means something under the rule `weighted` only; remove it, or set "
                    "rule to weighted"
                )
        if self.rule == "any" and self.unsafe_pass_if_outvoted:
            raise ValueError(
                "no detector is ever outvoted under the rule `any`; remove unsafe_pass_if_outvoted"
            )
        return self
