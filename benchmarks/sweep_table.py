"""Scan every model of a folder with the trigger sweep, and say how often it is right.

    python -m benchmarks.sweep_table FOLDER --out results.json [--probes PROBES]

FOLDER holds models and a ``manifest.json`` as ``benchmarks.lab`` writes it, and a
``probes_DATASET.npz`` for each data set unless ``--probes`` names one for all. Results are kept as
they come, so that an interrupted run goes on where it stopped. Attacks that were not learned
(``failed_attack`` in the manifest; else an attack success rate under 80 %) are scanned and listed,
and left out of the rates.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sklearn.metrics import roc_auc_score

from benchmarks import markdown
from benchmarks.lab.table.rates import share
from benchmarks.model_folder import Row, scan_missing
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy, read_policy
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.scan.pipeline import ScanRequest
from xray_gate.wiring import scanning

POLICY = Path(__file__).with_name("sweep-only.yaml")
LEARNED = 0.8


def scan(path: Path, entry: Row, policy: Policy, probes: ProbeSet, seed: int) -> Row:
    """One model's verdict beside what is known of it."""
    output = scanning.new_scan()(ScanRequest(path, path.name, policy, probes, seed))
    detector = next(d for d in output.evidence.detectors if d.name == "trigger_sweep")
    decision = decide(policy, output.evidence)
    found = detector.statistics
    return {
        "file": entry["file"],
        "dataset": entry.get("dataset"),
        "architecture": entry.get("architecture"),
        "attack": entry["attack"],
        "mapping": entry.get("mapping"),
        "recipe": entry.get("recipe"),
        "target": entry.get("target_label"),
        "source": entry.get("source"),
        "clean_accuracy": entry.get("clean_accuracy"),
        "attack_success_rate": entry.get("attack_success_rate"),
        "failed_attack": entry.get("failed_attack"),
        "verdict": decision.verdict.value,
        "reason": detector.reason,
        "p_value": found.get("p_value"),
        "excess": found.get("excess"),
        "flip_rate": found.get("flip_rate"),
        "total_flip_rate": found.get("total_flip_rate"),
        "candidate": found.get("candidate"),
        "suspected": [suspect.label for suspect in detector.suspected_labels],
        "limit": [kind["text"] for kind in found.get("detection_limit", {}).get("kinds", [])],
        "queries": detector.queries,
        "seconds": round(detector.seconds, 1),
        "seed": seed,
        "date": datetime.now(UTC).date().isoformat(),
    }


def score(row: Row) -> float:
    """Larger is more suspicious: -log10 p, with the excess as a tie-break."""
    p = 1.0 if row["p_value"] is None else max(float(row["p_value"]), 1e-300)
    return -math.log10(p) + 0.01 * (row["excess"] or 0.0)


def names_the_target(row: Row) -> bool | None:
    """Whether the reported label is the target; None where there is no single one."""
    if row["target"] is None or row["candidate"] is None:
        return None
    return bool(row["candidate"]["towards"] == row["target"])


def is_learned(row: Row) -> bool:
    """Clean, or attacked with success."""
    if row["attack"] is None:
        return True
    failed = row["failed_attack"]
    return not (row["attack_success_rate"] < LEARNED if failed is None else failed)


def rate(hits: int, count: int) -> str:
    """``hits`` of ``count`` with the exact (Clopper-Pearson) 95 % interval."""
    if not count:
        return "0 of 0"
    low, high = share(hits, count)
    return f"{hits} of {count} ({low:.0%} to {high:.0%})"


def summary(rows: Sequence[Row]) -> list[str]:
    """The rates, in Markdown."""
    used = [row for row in rows if is_learned(row)]
    clean = [row for row in used if row["attack"] is None]
    attacked = [row for row in used if row["attack"] is not None]
    flagged = [row for row in attacked if row["verdict"] == "failed"]
    named = [hit for hit in map(names_the_target, flagged) if hit is not None]
    lines = [
        f"- clean models refused: {rate(sum(r['verdict'] == 'failed' for r in clean), len(clean))}",
        f"- clean models undecided: {sum(r['verdict'] == 'undecided' for r in clean)}",
        f"- backdoored models found: {rate(len(flagged), len(attacked))}",
        f"- right target among those found (one target): {rate(sum(named), len(named))}",
        f"- left out, attack not learned: {len(rows) - len(used)}",
    ]
    if clean and attacked:
        truth = [row["attack"] is not None for row in used]
        lines.append(
            f"- AUROC, one score for all: {roc_auc_score(truth, list(map(score, used))):.3f}"
        )
    if rows:
        queries, seconds = ([row[name] for row in rows] for name in ("queries", "seconds"))
        lines.append(f"- queries: {min(queries):,} to {max(queries):,}")
        lines.append(f"- seconds: {min(seconds)} to {max(seconds)}")
    return lines


def table(rows: Sequence[Row]) -> list[str]:
    """One line a model, in Markdown."""
    headings = (
        "model", "accuracy", "ASR", "target", "verdict", "p", "strongest trigger", "share",
        "queries", "s",
    )  # fmt: skip
    lines = markdown.head(headings)
    for row in sorted(rows, key=lambda row: (row["attack"] or "", row["file"])):
        found = row["candidate"] or {"text": row["reason"], "share": math.nan, "towards": None}
        label = found["towards"]
        asr = row["attack_success_rate"]
        cells = (
            row["file"].removesuffix(".onnx"),
            f"{row['clean_accuracy']:.2f}",
            "-" if asr is None else f"{asr:.2f}",
            "-" if row["target"] is None else str(row["target"]),
            row["verdict"],
            "-" if row["p_value"] is None else f"{row['p_value']:.0e}",
            found["text"] + ("" if label is None else f" -> {label}"),
            f"{found['share']:.2f}",
            f"{row['queries']:,}",
            f"{row['seconds']}",
        )
        lines.append(markdown.line(cells))
    return lines


def main(argv: list[str] | None = None) -> int:
    """Scan what has no result yet; print the table and the rates."""
    parser = argparse.ArgumentParser(description="The trigger sweep over a folder of models.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--probes", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--policy", type=Path, default=POLICY)
    args = parser.parse_args(argv)
    policy = read_policy(args.policy)

    def scanned(path: Path, entry: Row, probes: ProbeSet) -> Row:
        return scan(path, entry, policy, probes, args.seed)

    rows = scan_missing(args.folder, args.out, policy, args.probes, scanned)
    print("\n".join([*table(rows), "", *summary(rows)]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
