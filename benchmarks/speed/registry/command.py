"""What the gate adds to MLflow's calls, and how a runner's look grows with the registry.

    python -m benchmarks.speed registry [--database URI] [--finished 100 10000] --out FILE.json

The stores are asked directly, without a server between: it would add the same to both. A
registration through the gate is timed without the moment (2 s at most) that it waits for a quick
verdict. The evidence is that of a real scan of the packaged model under the packaged policy.
Finished versions are filled in by SQL. On SQLite every write waits for the disk.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xray_gate
from benchmarks import markdown
from benchmarks.speed.options import machine
from benchmarks.speed.registry import calls, looks
from benchmarks.speed.registry.filling import fill
from benchmarks.speed.registry.place import Place, opened
from benchmarks.whole_files import write_text
from xray_gate.core.errors import XrayGateError
from xray_gate.core.evidence import Evidence
from xray_gate.policy.files import read_policy
from xray_gate.scan.pipeline import ScanRequest, default_seed
from xray_gate.wiring import scanning

DEMO = Path(xray_gate.__file__).parent / "data" / "demo"
NAME = "demo-speed"
_PLAIN = "plain-speed"
_CALL_HEADINGS = (
    "call",
    "finished versions",
    "plain: median (ms)",
    "90th percentile",
    "gated: median (ms)",
    "90th percentile",
    "added: median of pairs (ms)",
)
_LOOK_HEADINGS = ("look", "finished versions", "median (ms)", "90th percentile")


def measure(
    place: Place, evidence: Evidence, finished: Sequence[int], number: int
) -> dict[str, list[dict[str, Any]]]:
    """Rows of the calls, in the empty and in the fullest registry, and of the looks in each.

    Raises:
        ValueError: If the evidence does not admit a version.

    """
    place.register(place.plain, _PLAIN, 2)
    place.register(place.gated, place.name, 2)
    if place.settle(evidence) != 2:
        raise ValueError("the evidence admits nothing; take a clean model")
    of_calls, of_looks = calls.measure(place, _PLAIN, number), []
    place.settle(evidence)
    for count in sorted(finished):
        fill(place, count)
        of_looks += looks.measure(place, number)
        place.settle(evidence)
    of_calls += calls.measure(place, _PLAIN, number)
    return {"calls": of_calls, "looks": of_looks}


def demo_evidence() -> Evidence:
    """What a scan of the packaged clean model finds."""
    policy = read_policy(DEMO / "policy.yaml")
    probes = scanning.load_probes(DEMO / "probes.npz", policy)
    request = ScanRequest(DEMO / "clean.onnx", NAME, policy, probes, default_seed(policy))
    return scanning.new_scan()(request).evidence


def lines(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Both tables."""
    return [
        *markdown.table(_CALL_HEADINGS, [_call_cells(row) for row in found["calls"]]),
        "",
        *markdown.table(_LOOK_HEADINGS, [_look_cells(row) for row in found["looks"]]),
    ]


def _call_cells(row: dict[str, Any]) -> list[str]:
    times = [row[way][name] for way in ("plain", "gated") for name in ("median_ms", "p90_ms")]
    return [
        row["operation"],
        f"{row['finished']:,}",
        *(f"{time:.2f}" for time in times),
        f"{row['added_ms']:+.2f}",
    ]


def _look_cells(row: dict[str, Any]) -> list[str]:
    return [
        row["look"],
        f"{row['finished']:,}",
        f"{row['median_ms']:.2f}",
        f"{row['p90_ms']:.2f}",
    ]


def main(argv: list[str]) -> int:
    """Print both tables and write them to ``--out``."""
    prog = "python -m benchmarks.speed registry"
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("--database", help="URI of an empty database (without it: a SQLite file)")
    parser.add_argument("--finished", type=int, nargs="+", default=[100, 10_000, 100_000])
    parser.add_argument("--calls", type=int, default=200, help="of each kind, and looks")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    options = parser.parse_args(argv)
    # MLflow tells of every table that it makes.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="xray-gate-speed-") as folder:
        uri = options.database or f"sqlite:///{folder}/registry.db"
        try:
            with opened(uri, DEMO / "policy.yaml", NAME) as place:
                kind = place.engine.dialect.name
                found = measure(place, demo_evidence(), options.finished, options.calls)
        except (XrayGateError, ValueError) as error:
            parser.error(str(error))
    told: dict[str, Any] = {"machine": {**machine("cpu"), "database": kind}, **found}
    write_text(options.out, json.dumps(told, indent=1) + "\n")
    print(f"{kind}, {options.calls} calls of each kind\n")
    print("\n".join(lines(found)))
    return 0
