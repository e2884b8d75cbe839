"""Foreign text and times made fit for a message."""

from datetime import UTC, datetime


def without_controls(text: str) -> str:
    """`text` with a space for each character that is not shown, or could steer a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def printable(text: str) -> str:
    """The same in one line, without spaces that stand beside each other."""
    return " ".join(without_controls(text).split())


def time_text(seconds: float) -> str:
    """A time, in seconds since the epoch, as RFC 3339 in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
