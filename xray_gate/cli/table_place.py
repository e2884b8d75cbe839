"""Whether a table can be written where a command line wants it, before anything is asked for it."""

from pathlib import Path

from xray_gate.core.errors import InputError


def require_a_place(out: Path, what: str) -> None:
    """Raise `InputError` where `out` is a folder or lies in none; `what` is to be written there."""
    if out.is_dir() or not out.parent.is_dir():
        why = "is a folder" if out.is_dir() else "there is no such folder"
        raise InputError(
            f"{out}: the {what} cannot be written there ({why}); name a file in a folder that is "
            "there, with --out"
        )
