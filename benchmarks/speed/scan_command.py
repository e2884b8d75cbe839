"""One table: the product's scan, the published procedure written plainly, and the bare model.

    python -m benchmarks.speed scan MODEL ... [--probes PROBES] [--policy POLICY] --out FILE.json

All ways ask the same model with the same number of threads and take turns in one run: what counts
is the ratios, not the single rates, which follow the machine and whatever else it is doing.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.speed import scan_table
from benchmarks.speed.comparing import compare
from benchmarks.speed.options import add_case, case_of, machine
from benchmarks.speed.ways import ways
from benchmarks.whole_files import write_text
from xray_gate.core.errors import XrayGateError


def main(argv: list[str]) -> int:
    """Print the table; every round of every way goes to ``--out``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed scan", description=__doc__)
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    add_case(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loaders", type=int, default=0, help="processes that load plain's points")
    options = parser.parse_args(argv)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    facts, rows = machine(options.device), []
    try:
        for model in options.models:
            rows += compare(case_of(model, options), ways(options.loaders), options.rounds)
    except (XrayGateError, RuntimeError, ValueError) as error:
        parser.error(str(error))
    told = {"made": f"{datetime.now(UTC):%Y-%m-%d}", "machine": facts, "rows": rows}
    write_text(options.out, json.dumps(told, indent=1) + "\n")
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    print(f"{options.rounds} rounds\n")
    print("\n".join(scan_table.lines(rows)))
    return 0
