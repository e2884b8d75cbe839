"""A line of the audit log: what happened, who did it, and the hash that chains it to the last one.

A line's hash is the SHA-256, in hex, of its other fields as JSON: keys sorted, no blanks, ASCII.
The hash of the line before it is one of them, so whoever changes a line changes all that follow.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from xray_gate.core.printable import without_controls

FORMAT = 1
NO_LINE = "0" * 64
"""Stands in the first line, where others name the hash of the line before."""

_MOST_REASONS = 5
_MOST_CHARACTERS = 300


class LogEvent(StrEnum):
    """What a line can be about; all there is."""

    LOG_BEGAN = "log_began"
    POLICY_CHANGED = "policy_changed"
    REGISTERED = "registered"
    SCANNED = "scanned"
    VERDICT = "verdict"
    GAVE_UP = "gave_up"
    PROMOTION_GRANTED = "promotion_granted"
    PROMOTION_REFUSED = "promotion_refused"
    REVOKED = "revoked"
    RESCAN_ASKED = "rescan_asked"
    RENAMED = "renamed"
    DELETED = "deleted"
    EXCEPTION_USED = "exception_used"
    BREAK_GLASS = "break_glass"


class Via(StrEnum):
    """Which program wrote the line; it says what the actor's name is worth.

    `server`: a user whom MLflow's auth app has authenticated, or None. `runner`: a runner's own
    name. `command`: the account that ran a command, or whatever it claimed to be. `upgrade`:
    nobody.
    """

    SERVER = "server"
    RUNNER = "runner"
    COMMAND = "command"
    UPGRADE = "upgrade"


@dataclass(frozen=True)
class Who:
    """Who caused an event."""

    via: Via
    actor: str | None = None


@dataclass(frozen=True)
class LogNote:
    """An event on its way into the log.

    `details` holds strings, integers, booleans, None, and lists of these; `policy` name and digest.
    """

    event: LogEvent
    who: Who
    workspace: str | None = None
    name: str | None = None
    version: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    policy: tuple[str, str] | None = None


def chained(note: LogNote, seq: int, now: float, previous: str) -> dict[str, Any]:
    """The line that a note becomes as the `seq`-th one; `now` in seconds since the epoch."""
    name, digest = note.policy or (None, None)
    line = {
        "seq": seq,
        "at": moment_text(datetime.fromtimestamp(now, UTC)),
        "event": str(note.event),
        "via": str(note.who.via),
        "actor": _storable(note.who.actor, 256),
        "workspace": _storable(note.workspace, 63),
        "name": _storable(note.name, 256),
        "version": note.version,
        "details": _plain(note.details),
        "policy": _storable(name, 100),
        "policy_digest": _storable(digest, 80),
        "previous": previous,
    }
    return {**line, "hash": hash_of(line)}


def hash_of(line: Mapping[str, Any]) -> str:
    """The hash that belongs to a line's other fields; `ValueError` for what is no JSON."""
    rest = {key: value for key, value in line.items() if key != "hash"}
    return hashlib.sha256(canonical(rest).encode()).hexdigest()


def canonical(value: Any) -> str:
    """The one text of a JSON value that is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def moment_text(moment: datetime) -> str:
    """A time as it stands in a line: UTC, to the microsecond, so that texts sort as times do."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def bounded_reasons(reasons: Sequence[str]) -> list[str]:
    """The first few reasons, each cut to a bound: a line must not grow with what a model says."""
    shown = [_cut(reason) for reason in reasons[:_MOST_REASONS]]
    left = len(reasons) - len(shown)
    return [*shown, f"and {left} more"] if left else shown


def _plain(value: Any) -> Any:
    """Texts cut and without what a database does not take or a terminal obeys; enums as texts."""
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, Mapping):
        return {_cut(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _cut(text: str) -> str:
    shown = without_controls(str(text))
    return shown if len(shown) <= _MOST_CHARACTERS else f"{shown[: _MOST_CHARACTERS - 1]}…"


def _storable(text: str | None, most: int) -> str | None:
    """As it is, since people filter by it; less what no database takes."""
    if text is None:
        return None
    return str(text).replace("\0", " ").encode("utf-8", "replace").decode("utf-8")[:most]
