"""Foreign strings made safe to show: model paths, class names and messages are not ours."""

import unicodedata
from collections.abc import Sequence

# Control (Cc), format (Cf, which holds the bidirectional overrides), surrogate (Cs), private
# use (Co), unassigned (Cn), line and paragraph separators (Zl, Zp).
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str, limit: int = 2000) -> str:
    """`text` with every character that would not show, or would act, written as its escape.

    Nothing of the result moves a cursor, reverses a line or ends it. Longer texts than `limit`
    characters are cut, and say so.
    """
    if len(text) > limit:
        text = f"{text[:limit]}… ({len(text) - limit:,} more characters)"
    return "".join(
        _escaped(char) if unicodedata.category(char) in _HIDDEN else char for char in text
    )


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def label_name(label: int, class_names: Sequence[str] | None = None) -> str:
    """`3 cat` where a name is known, else `3`; safe to show."""
    if class_names is None or not 0 <= label < len(class_names) or not class_names[label]:
        return str(label)
    return f"{label} {visible(class_names[label], limit=200)}"
