"""The rows of a comparison as a table in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import markdown
from benchmarks.speed.comparing import Row
from benchmarks.speed.ways import BARE

HEADINGS = (
    "model",
    "way",
    "queries",
    "seconds",
    "queries a second",
    "share of bare (median, least to greatest)",
    "labels as dense",
    "RE differs by (bits)",
    "ATS differs by",
    "verdict",
    "peak memory (MiB)",
)
_NOTHING = "-"


def lines(rows: Sequence[Row]) -> list[str]:
    """The whole table."""
    return markdown.table(HEADINGS, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    return [
        row["model"],
        row["way"] if row["batch"] is None else f"{row['way']}, batch {row['batch']}",
        f"{row['queries']:,}",
        f"{row['seconds']:.2f}",
        f"{row['rate']:,.0f}",
        _share(row),
        _or_nothing(row["agreement"], ".3%"),
        _or_nothing(row["entropy_differs"], ".4f"),
        _or_nothing(row["ats_differs"], ".4f"),
        _verdict(row),
        f"{row['peak_bytes'] / 2**20:,.0f}",
    ]


def _share(row: Row) -> str:
    if row["way"] == BARE:
        return "100%"
    share = row["share"]
    return f"{share['median']:.1%} ({share['least']:.1%} to {share['greatest']:.1%})"


def _verdict(row: Row) -> str:
    if row["verdict"] is None:
        return _NOTHING
    return f"{row['verdict']}, {'equal' if row['verdict_as_dense'] else 'NOT equal'}"


def _or_nothing(value: float | None, form: str) -> str:
    return _NOTHING if value is None else format(value, form)
