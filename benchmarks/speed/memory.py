"""How much memory a scan takes above the model's own.

    python -m benchmarks.speed memory MODEL [--probes PROBES] --out FILE.json

One plane of 200x200 points in the valid range, unless told otherwise: further planes take no more.
Two readings of "the model's own": the resident memory of the process when the model is open, before
anything is asked; and the peak of a process that holds the model alone and asks about batches of
the same size, which the model's own intermediate results are part of.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from pathlib import Path
from typing import Any

from benchmarks import markdown
from benchmarks.speed import product
from benchmarks.speed.options import add_case, case_of, machine
from benchmarks.speed.processes import peak_bytes
from benchmarks.speed.product import Case
from benchmarks.speed.ways import bare
from benchmarks.whole_files import write_text
from xray_gate.core.errors import XrayGateError

GOAL_BYTES = 2**30
_HEADINGS = ("process", "model open (MiB)", "peak (MiB)", "above the open model (MiB)")


def measure(case: Case) -> dict[str, Any]:
    """Bytes of the product's child, of the bare model at the same batch, and of this process."""
    plan, here = case.plan(), os.getpid()
    before = peak_bytes(here)
    with product.started(case, "dense", stops=False) as run:
        outcome = run(plan)
    batch = outcome.batch or 1
    # Twice: the second call finds what the first left behind.
    side = math.isqrt(2 * batch - 1) + 1
    with bare(case, batch) as ask:
        alone = ask(plan.part(1, side))
    scanning = {"open": outcome.open_bytes, "peak": outcome.peak_bytes}
    return {
        "model": case.model.name,
        "size": plan.size,
        "batch": batch,
        "queries": outcome.queries,
        "scan": scanning,
        "bare": {"open": alone.open_bytes, "peak": alone.peak_bytes},
        "caller": {"open": before, "peak": peak_bytes(here)},
        "above_open": outcome.peak_bytes - outcome.open_bytes,
        "above_bare": outcome.peak_bytes - alone.peak_bytes,
        "goal": GOAL_BYTES,
    }


def lines(found: dict[str, Any]) -> list[str]:
    """The table, and both readings beside the goal."""
    names = {"scan": "the scan's child", "bare": "the bare model", "caller": "the scan's caller"}
    rows = [
        (words, *(f"{value / 2**20:,.0f}" for value in _three(found[name])))
        for name, words in names.items()
    ]
    readings = {"open": "the open model", "bare": "the bare model at the same batch"}
    return [
        *markdown.table(_HEADINGS, rows),
        "",
        *(f"- {_reading(found, name, words)}" for name, words in readings.items()),
    ]


def _three(process: dict[str, int]) -> tuple[int, int, int]:
    return process["open"], process["peak"], process["peak"] - process["open"]


def _reading(found: dict[str, Any], name: str, words: str) -> str:
    above, goal = found[f"above_{name}"], found["goal"]
    kept = "met" if above < goal else f"missed by {(above - goal) / 2**20:,.0f} MiB"
    return f"above {words}: {above / 2**20:,.0f} MiB (goal: under {goal >> 20:,}; {kept})"


def main(argv: list[str]) -> int:
    """Print the table and write it to ``--out``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed memory", description=__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL")
    add_case(parser)
    parser.set_defaults(size=200, planes=1, ranges=["valid"])
    options = parser.parse_args(argv)
    try:
        found = measure(case_of(options.model, options))
    except (XrayGateError, RuntimeError, ValueError) as error:
        parser.error(str(error))
    facts = machine(options.device)
    write_text(options.out, json.dumps({"machine": facts, **found}, indent=1) + "\n")
    asked = f"{found['queries']:,} queries, batch {found['batch']}"
    print(f"{found['model']}, {found['size']} points a side, {asked}\n")
    print("\n".join(lines(found)))
    return 0
