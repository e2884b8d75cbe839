"""Where a policy takes the bounds of Model X-ray's scores from."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_serializer, model_validator
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from xray_gate.policy.strict import Strict
from xray_gate.policy.xray_statistics import STATISTICS, Side, Statistic


class FixedBound(Strict):
    """A threshold given as a number, with the place that it comes from.

    `suspicious`: the side of the bound; without it the one that is usual for the statistic.
    """

    statistic: Statistic
    bound: float
    suspicious: Literal["below", "above"]
    source: str = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _on_the_usual_side(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "suspicious" in data:
            return data
        statistic = data.get("statistic")
        usual = STATISTICS.get(statistic) if isinstance(statistic, str) else None
        # A statistic that is not known is what the error is to be about.
        return {**data, "suspicious": usual or "below"}


class CalibratedBounds(Strict):
    """Thresholds from a calibration file.

    `method` `conformal`: by the clean references alone, at a false-positive `level`, which is
    shared out evenly over the statistics (Bonferroni), so that the chance of refusing a clean model
    stays under it however many are judged. `f1`: Eq. 6 of the paper, by clean and backdoored
    references; nothing is promised of its false-positive rate, so it has no level.
    """

    calibration: str = Field(min_length=1)
    method: Literal["conformal", "f1"] = "conformal"
    level: float = Field(default=0.05, gt=0, lt=1)
    statistics: list[Statistic] = Field(min_length=1)
    suspicious: dict[Statistic, Side] = Field(default_factory=dict)
    unsafe_any_architecture: bool = False

    def side(self, statistic: str) -> Side:
        """The side of `statistic` that is judged: as the policy says, else as is usual."""
        return self.suspicious.get(statistic) or STATISTICS[statistic]

    @model_validator(mode="after")
    def _f1_is_one_sided_and_without_a_level(self) -> Self:
        if self.method != "f1":
            return self
        if "level" in self.model_fields_set:
            raise ValueError(
                "method f1 promises no false-positive rate, so a level says nothing; remove "
                "`level`, or set method to conformal"
            )
        if "both" in self.suspicious.values():
            raise ValueError(
                "method f1 judges one side; set `suspicious` to below or above, or method to "
                "conformal"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_the_unsaid(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # So that a policy which does not speak of it keeps the digest that it always had.
        unsaid = "method" if self.method == "conformal" else "level"
        return {key: value for key, value in handler(self).items() if key != unsaid}


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
