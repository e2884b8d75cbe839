"""Scan every model of a folder with a manifest, and print what Model X-ray says of it.

    python -m benchmarks.zoo_table ZOO --policy POLICY.yaml --probes PROBES [--json OUT.json]

ZOO holds models and a ``manifest.json``: a list of entries with ``file``, ``verdict`` (clean or
backdoored), ``attack`` and ``target_label``. Each score is computed a second time, by
``benchmarks.brute_force`` on the same planes; the last column is the largest difference.
"""

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import brute_force, markdown
from xray_gate.core.evidence import DetectorEvidence
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy, read_policy
from xray_gate.probing.planes import ScannedPlane
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.scan.pipeline import ScanRequest, default_seed
from xray_gate.wiring import scanning

HEADINGS = (
    "model",
    "attack",
    "target",
    "RE unclipped",
    "RE valid",
    "ATS unclipped",
    "ATS valid",
    "largest region, unclipped",
    "largest region, valid",
    "verdict",
    "queries",
    "seconds",
    "brute force differs by",
)


def main() -> None:
    """Print a Markdown table; with ``--json`` write the rows as well."""
    parser = argparse.ArgumentParser(description="Scan a folder of models with a manifest.")
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--probes", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    policy = read_policy(options.policy)
    probes = scanning.load_probes(options.probes, policy)
    manifest = json.loads((options.zoo / "manifest.json").read_text(encoding="utf-8"))
    references = {r.digest for r in policy.calibration.references} if policy.calibration else set()
    print(f"policy {policy.name}, {len(probes)} probes, {datetime.now(UTC):%Y-%m-%d}\n")
    print("\n".join(markdown.head(HEADINGS)))
    rows = []
    for entry in manifest:
        row = scan(options.zoo / entry["file"], entry, policy, probes, references)
        rows.append(row)
        print(markdown.line(cells(row)), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def scan(
    path: Path, entry: dict[str, Any], policy: Policy, probes: ProbeSet, references: set[str]
) -> dict[str, Any]:
    """Scan one model; refuses one that the thresholds were made from."""
    started = time.perf_counter()
    request = ScanRequest(path, path.name, policy, probes, default_seed(policy))
    output = scanning.new_scan()(request)
    seconds = time.perf_counter() - started
    if output.evidence.model.digest in references:
        raise SystemExit(f"{path}: is a reference of the policy's calibration, not a test model")
    detector = next(d for d in output.evidence.detectors if d.name == "model_xray")
    decision = decide(policy, output.evidence)
    return {
        "file": entry["file"],
        "truth": entry["verdict"],
        "attack": entry["attack"],
        "target": entry["target_label"],
        "verdict": decision.verdict.value,
        "reasons": list(decision.reasons),
        "statistics": {
            name: detector.statistics[name] for name in ("renyi_entropy", "ats", "largest_share")
        },
        "largest_label": {
            pixel_range: int(np.argmax(shares))
            for pixel_range, shares in detector.statistics["label_shares"].items()
        },
        "queries": detector.queries,
        "seconds": seconds,
        "brute_force_difference": difference(output.planes, detector),
    }


def difference(planes: Any, detector: DetectorEvidence) -> float:
    """The largest difference between the gate's scores and the brute-force ones."""
    parameters = detector.parameters
    found: list[float] = []
    for pixel_range in parameters["pixel_ranges"]:
        scores = [
            brute_force_scores(plane, parameters["alpha"], parameters["cap"])
            for plane in planes
            if plane.pixel_range == pixel_range
        ]
        for column, name in enumerate(("renyi_entropy", "ats")):
            mean = sum(score[column] for score in scores) / len(scores)
            found.append(abs(mean - detector.statistics[name][pixel_range]))
    return max(found, default=float("nan"))


def brute_force_scores(plane: ScannedPlane, alpha: float, cap: float) -> tuple[float, float]:
    """Both scores of one plane from its labels alone."""
    labels = plane.labels.tolist()
    cells_of_samples = [(int(row), int(column)) for row, column in plane.cells]
    area = brute_force.triple_area(
        labels, cells_of_samples, plane.true_labels, plane.predicted_labels, cap
    )
    return brute_force.entropy_in_bits(labels, alpha), area


def cells(row: dict[str, Any]) -> list[str]:
    """One row of the table."""
    scores = row["statistics"]
    regions = [
        f"{row['largest_label'][r]} ({scores['largest_share'][r]:.2f})"
        for r in ("unclipped", "valid")
    ]
    return [
        row["file"],
        row["attack"] or "clean",
        "-" if row["target"] is None else str(row["target"]),
        *(f"{scores[n][r]:.3f}" for n in ("renyi_entropy", "ats") for r in ("unclipped", "valid")),
        *regions,
        row["verdict"],
        f"{row['queries']:,}",
        f"{row['seconds']:.0f}",
        f"{row['brute_force_difference']:.0e}",
    ]


if __name__ == "__main__":
    main()
