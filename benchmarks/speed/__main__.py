"""The commands that measure speed and memory.

    python -m benchmarks.speed scan MODEL ... [--probes PROBES] --out FILE.json
    python -m benchmarks.speed models --out FOLDER
    python -m benchmarks.speed memory MODEL [--probes PROBES] --out FILE.json
    python -m benchmarks.speed registry --out FILE.json

Each takes ``--help``.
"""

from __future__ import annotations

import importlib
import sys

COMMANDS = {
    "scan": "benchmarks.speed.scan_command",
    "models": "benchmarks.speed.models",
    "memory": "benchmarks.speed.memory",
    "registry": "benchmarks.speed.registry.command",
}


def main(argv: list[str]) -> int:
    """Run one of the commands; 2 where there is none of that name."""
    if not argv or argv[0] not in COMMANDS:
        print(f"{__doc__}\ngive one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    # Each needs other parts of the product, and the registry's take seconds to import.
    status: int = importlib.import_module(COMMANDS[argv[0]]).main(argv[1:])
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
