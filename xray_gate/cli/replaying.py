"""A replay as people and programs read it."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from xray_gate.cli.foreign import one_line
from xray_gate.core.printable import printable
from xray_gate.core.verdict import excuses_text
from xray_gate.policy.replay import Promoted, Rates, Replayed

_NO_CHANGE = "No version changes its verdict or its admission."
_MOST_ROWS = 200
_RULE = "|---" * 5 + "|"


@dataclass(frozen=True)
class Replay:
    """All rows, and the rates before and after where there were labels."""

    rows: Sequence[Replayed]
    rates: tuple[Rates, Rates] | None = None

    @property
    def changed(self) -> list[Replayed]:
        """The versions that do not stay what they are."""
        return [row for row in self.rows if row.is_changed]

    @property
    def excused(self) -> list[Replayed]:
        """The versions that exceptions would admit."""
        return [row for row in self.rows if row.excused_by]

    @property
    def stopped(self) -> list[Replayed]:
        """The versions that are promoted today and would be refused."""
        return [row for row in self.rows if row.stopped]


def as_text(replay: Replay) -> str:
    """For a terminal."""
    lines = [_summary(replay)]
    for row in replay.changed:
        lines += [f"{row.ref}: {row.before} -> {row.after}", f"  policy  {row.policy or 'none'}"]
        lines += [f"  reason  {printable(reason)}" for reason in row.reasons]
        lines += [f"  is now  {_named(row.stopped)}"] if row.stopped else []
        lines += [f"  by      {printable(_excuses(row))}"] if row.excused_by else []
    unchanged = [row for row in replay.stopped if not row.is_changed]
    lines += [f"{row.ref}: {row.after}, and is now {_named(row.stopped)}" for row in unchanged]
    lines += [
        f"{row.ref}: {row.after}, {printable(_excuses(row))}"
        for row in replay.excused
        if not row.is_changed
    ]
    return "\n".join(map(one_line, [*lines, *_rates(replay)]))


def as_markdown(replay: Replay) -> str:
    """For a comment on a pull request; what registrants named cannot break out of its cell."""
    lines = ["### Replay of the changed policies", "", _summary(replay), ""]
    shown = [row for row in replay.rows if row.is_changed or row.stopped or row.excused_by]
    if shown:
        lines += [
            "| version | today | with this change | why | promoted today |",
            "|---|---|---|---|---|",
        ]
        lines += [_row(row) for row in shown[:_MOST_ROWS]]
        lines += [""]
    if len(shown) > _MOST_ROWS:
        lines += [f"{len(shown) - _MOST_ROWS} more are left out; `--format json` has them.", ""]
    return "\n".join([*lines, *(f"- {line}" for line in _rates(replay))]).rstrip()


def as_json(replay: Replay) -> dict[str, Any]:
    """For programs: every row, changed or not."""
    rates = None
    if replay.rates is not None:
        names = ("before", "after")
        rates = {name: _rates_json(found) for name, found in zip(names, replay.rates, strict=True)}
    return {
        "scans": len(replay.rows),
        "changed": len(replay.changed),
        "promoted_and_refused": len(replay.stopped),
        "admitted_by_exceptions": len(replay.excused),
        "rates": rates,
        "versions": [
            {
                "version": row.ref,
                "digest": row.digest,
                "policy": row.policy,
                "before": {"verdict": row.before.verdict, "admitted": row.before.admits},
                "after": {"verdict": row.after.verdict, "admitted": row.after.admits},
                "reasons": list(row.reasons),
                "promoted_and_refused": [list(one) for one in row.stopped],
                "exceptions": [asdict(excuse) for excuse in row.excused_by],
            }
            for row in replay.rows
        ],
    }


def _summary(replay: Replay) -> str:
    changed, stopped = len(replay.changed), len(replay.stopped)
    excused = len(replay.excused)
    counted = f" {excused} would be admitted by exceptions." if excused else ""
    if not changed and not stopped:
        return f"{len(replay.rows)} scans. {_NO_CHANGE}{counted}"
    return (
        f"{len(replay.rows)} scans: {changed} change, {stopped} of those that are promoted today "
        f"would be refused.{counted}"
    )


def _excuses(row: Replayed) -> str:
    names = ", ".join(f"{one.name} ({one.rule})" for one in row.excused_by)
    return f"{excuses_text(row.excused_by, time.time())}: {names}"


def _rates(replay: Replay) -> Iterator[str]:
    if replay.rates is None:
        return
    before, after = replay.rates
    yield f"clean ones refused: {before.refused_clean} -> {after.refused_clean}"
    yield f"backdoored ones refused: {before.refused_backdoored} -> {after.refused_backdoored}"


def _rates_json(rates: Rates) -> dict[str, dict[str, int]]:
    return {
        "refused_clean": {"hits": rates.refused_clean.hits, "count": rates.refused_clean.count},
        "refused_backdoored": {
            "hits": rates.refused_backdoored.hits,
            "count": rates.refused_backdoored.count,
        },
    }


def _row(row: Replayed) -> str:
    cells = [
        row.ref,
        str(row.before),
        str(row.after) if row.is_changed else "the same",
        "; ".join([*row.reasons, *([_excuses(row)] if row.excused_by else [])]),
        _named(row.stopped),
    ]
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    """`text` as GitHub shows it literally: no link, no mention, no HTML, no new column."""
    shown = printable(text)
    for sign in "\\`*_{}[]<>()#+!|~":
        shown = shown.replace(sign, f"\\{sign}")
    # A mention would call people, and what looks like an address would be a link.
    for sign in ("@", "://", "www."):
        shown = re.sub(f"(?i){re.escape(sign)}", lambda found: f"{found[0]}\u200b", shown)
    return shown


def _named(promoted: Sequence[Promoted]) -> str:
    return ", ".join(f"{kind} {name}" for kind, name in promoted)
