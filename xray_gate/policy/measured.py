"""Statistics of an evidence, read as what they should be before a rule judges them.

Evidence may come from another version or through a database; a value that is missing, of another
type or not finite must end as "cannot be judged", never as a pass.
"""

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xray_gate.core.evidence import DetectorEvidence
from xray_gate.policy.rule import CannotJudge

Share = Annotated[float, Field(ge=0, le=1)]


class Measured(BaseModel):
    """What a rule reads of the statistics."""

    # Strict: `true` is no label, and NaN compares as harmless with every level.
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


Part = TypeVar("Part", bound=Measured)


def read_statistics(part: type[Part], detector: DetectorEvidence) -> Part:
    """The statistics as `part`; raises `CannotJudge`, naming the place, where they are not that."""
    try:
        return part.model_validate(detector.statistics)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(key) for key in first["loc"]) or "statistics"
        raise CannotJudge(
            f"the evidence cannot be used ({place}: {first['msg']}); scan again with this policy"
        ) from error
