"""The base of everything that is read from a policy file."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Unknown keys are errors: a misspelt setting must not silently fall back to a default."""

    # A NaN compares as harmless with every score, and would switch a threshold off.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
