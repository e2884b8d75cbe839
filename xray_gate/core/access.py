"""What a detector needs to see of a model."""

from enum import StrEnum


class Access(StrEnum):
    """The three kinds of access, from the least to the most."""

    HARD_LABEL = "hard-label"
    SOFT_LABEL = "soft-label"
    GRADIENT = "gradient"
