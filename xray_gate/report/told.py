"""Values out of foreign statistics as a person reads them; `foreign` says what they must be."""

from xray_gate.report.foreign import as_count, as_share
from xray_gate.report.measures import percent

UNKNOWN = "not known"
"""What is told of a value that is missing or odd."""


def told_share(value: object) -> str:
    """A share in [0, 1] as `97 %`."""
    share = as_share(value)
    return UNKNOWN if share is None else percent(share)


def told_count(value: object) -> str:
    """A whole number, 0 or more, as `20,533`."""
    count = as_count(value)
    return UNKNOWN if count is None else f"{count:,}"
