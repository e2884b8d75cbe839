"""Which state of this repository made something."""

from __future__ import annotations

import subprocess
from pathlib import Path


def current_commit() -> str | None:
    """The commit that is checked out, with ``-dirty`` if files differ from it; None without Git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, check=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
