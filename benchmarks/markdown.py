"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def line(cells: Sequence[str]) -> str:
    """One line of a table."""
    return "| " + " | ".join(cells) + " |"


def head(headings: Sequence[str]) -> list[str]:
    """The two lines that a table begins with."""
    return [line(headings), "|" + "---|" * len(headings)]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """All lines of a table."""
    return [*head(headings), *map(line, rows)]
