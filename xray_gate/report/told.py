"""Values out of foreign statistics as a person reads them; `foreign` says what they must be."""

from collections.abc import Sequence

from xray_gate.report.foreign import as_count, as_label, as_list, as_number, as_share
from xray_gate.report.measures import number, percent
from xray_gate.report.visible import label_name

UNKNOWN = "not known"
"""What is told of a value that is missing or odd."""

_MOST_LABELS = 12


def told_share(value: object) -> str:
    """A share in [0, 1] as `97 %`."""
    share = as_share(value)
    return UNKNOWN if share is None else percent(share)


def told_count(value: object) -> str:
    """A whole number, 0 or more, as `20,533`."""
    count = as_count(value)
    return UNKNOWN if count is None else f"{count:,}"


def told_pixels(value: object) -> str:
    """The size of a mask, 0 or more, as `45.4`."""
    size = as_number(value)
    if size is None or size < 0:
        return UNKNOWN
    return f"{size:,.1f}" if size < 1e9 else number(size)


def told_labels(value: object, class_names: Sequence[str] | None) -> str:
    """A list of labels as `3 cat, 5 dog`, the first twelve and how many more; empty for none."""
    labels = [label for label in map(as_label, as_list(value)) if label is not None]
    names = [label_name(label, class_names) for label in labels[:_MOST_LABELS]]
    rest = len(labels) - len(names)
    return ", ".join(names) + (f" and {rest:,} more" if rest else "")
