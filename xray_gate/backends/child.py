"""The first thing that the model's process runs: bounds are set before anything is loaded.

Run as `python -m xray_gate.backends.child TERMS`, with what `sandbox.terms.Terms.to_text` wrote.
"""

import os
import sys
import tempfile

from xray_gate.backends.sandbox.confine import confine
from xray_gate.backends.sandbox.terms import Terms


def main() -> None:
    """Impose the terms, keep the protocol's pipes for ourselves, and answer requests."""
    confine(Terms.from_text(sys.argv[1]))
    # Libraries ask where temporary files would go, and Python looks for a place by writing one.
    tempfile.tempdir = os.environ["TMPDIR"]
    requests, answers = _private_pipes()
    # Only now: the limits must hold while NumPy is loaded.
    from xray_gate.backends.serving import serve

    serve(requests, answers)


def _private_pipes() -> tuple[int, int]:
    """Move the protocol away from 0 and 1, where libraries read and print."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


if __name__ == "__main__":
    main()
