"""Run in an isolation before a model is: ends with status 0 when it holds, and says what does not.

Run as `python -m xray_gate.backends.sandbox.trial TERMS FOLDER`, where FOLDER holds a file `secret`
and belongs to the process that asks.
"""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from xray_gate.backends.sandbox.confine import confine
from xray_gate.backends.sandbox.terms import Terms


def main() -> None:
    """Impose the terms and try what they forbid."""
    asking = os.getppid()
    confine(Terms.from_text(sys.argv[1]))
    folder = Path(sys.argv[2])
    forbidden: dict[str, Callable[[], object]] = {
        "read a file of the user": (folder / "secret").read_bytes,
        "write a file": lambda: (folder / "written").write_bytes(b"x"),
        "open a socket": lambda: socket.socket(socket.AF_INET),
        "start a process": _fork,
        "signal another process": lambda: os.kill(asking, 0),
        "replace its program": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606
    }
    if done := [what for what, attempt in forbidden.items() if _works(attempt)]:
        sys.exit(f"it could {' and '.join(done)}")


def _works(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


if __name__ == "__main__":
    main()
