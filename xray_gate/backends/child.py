"""The first thing that the model's process runs: bounds are set before anything is loaded.

Run as `python -m xray_gate.backends.child MEMORY_BYTES SECONDS`; 0 bytes set no memory limit.
"""

import os
import resource
import signal
import sys


def main() -> None:
    """Set the limits, keep the protocol's pipes for ourselves, and answer requests."""
    memory_bytes, seconds = int(sys.argv[1]), float(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        _limit_address_space(memory_bytes)
    # Ends this process even if the one that should is gone.
    signal.setitimer(signal.ITIMER_REAL, seconds)
    requests, answers = _private_pipes()
    # Only now: the limits must hold while NumPy is loaded.
    from xray_gate.backends.serving import serve

    serve(requests, answers)


def _limit_address_space(memory_bytes: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        # A limit that is lower already cannot be raised.
        memory_bytes = min(memory_bytes, most)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


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
