"""Scan every model of a folder with every detector of a policy: a table model x detector.

    python -m benchmarks.detector_table FOLDER --policy POLICY.yaml --out results.json
        [--probes PROBES] [--triggers FOLDER] [--training FOLDER] [--beside results.json ...]

FOLDER holds models and a ``manifest.json`` as ``benchmarks.lab`` writes it, and a
``probes_DATASET.npz`` for each data set unless ``--probes`` names one for all. Results are kept as
they come, so that an interrupted run goes on where it stopped. ``--triggers``: where reversed
triggers are written, one ``MODEL-LABEL.npz`` each with ``mask`` and ``pattern``. ``--training``:
where ``benchmarks.lab.training_sets`` wrote what the models were trained on. ``--beside``: results
under other policies, for the same table.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import markdown
from benchmarks.model_folder import Row, scan_missing
from benchmarks.whole_files import write_npz
from xray_gate.detectors.all_detectors import ALL_DETECTORS
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy, read_policy
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.probing.shown_trigger import ShownTrigger
from xray_gate.scan.pipeline import ScanRequest
from xray_gate.wiring import scanning

# What is kept of each detector's statistics.
_KEPT = (
    "p_value",
    "excess",
    "renyi_entropy",
    "ats",
    "horizon_agreement",
    "mask_l1",
    "anomaly_index",
    "success_rate",
    "reached",
    "iterations",
    "transfer_ratio",
    "fitted_ratio",
    "held_back_ratio",
    "no_gradients",
)
# What is kept of a model's manifest entry.
_KNOWN = (
    "file",
    "dataset",
    "attack",
    "mapping",
    "target_label",
    "target_labels",
    "attack_success_rate",
)


def scan(
    path: Path,
    entry: Row,
    policy: Policy,
    probes: ProbeSet,
    seed: int,
    triggers: Path | None = None,
    training: Path | None = None,
) -> Row:
    """What each detector says of one model, beside what is known of it."""
    request = ScanRequest(path, path.name, policy, probes, seed)
    data = training and training / f"{path.stem}-training.npz"
    if data and data.exists():
        request = replace(request, training=scanning.load_training_data(data, policy, probes))
    output = scanning.new_scan()(request)
    outcomes = {j.name: j for j in decide(policy, output.evidence).judgements}
    if triggers is not None:
        _keep(output.triggers, path.stem, triggers)
    detectors = {
        found.name: {
            "access": found.access.value,
            "outcome": outcomes[found.name].outcome.value,
            "reason": outcomes[found.name].reason,
            "thresholds": dict(outcomes[found.name].thresholds),
            "suspected": [suspect.label for suspect in found.suspected_labels],
            "statistics": {key: found.statistics[key] for key in _KEPT if key in found.statistics},
            "queries": found.queries,
            "seconds": round(found.seconds, 1),
        }
        for found in output.evidence.detectors
        if policy.document.detectors.mode(found.name) != "off"
    }
    return {
        **{key: entry.get(key) for key in _KNOWN},
        "detectors": detectors,
        "seed": seed,
        "date": datetime.now(UTC).date().isoformat(),
    }


def _keep(triggers: Iterable[ShownTrigger], model: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for trigger in triggers:
        if trigger.mask is None or trigger.pattern is None:
            continue
        path = folder / f"{model}-{trigger.label}.npz"
        write_npz(path, mask=trigger.mask, pattern=trigger.pattern)


def score(name: str, statistics: Mapping[str, Any]) -> str:
    """The figure that a detector's outcome rests on, in words."""
    if name == "trigger_sweep" and "p_value" in statistics:
        return f"p {statistics['p_value']:.0e}"
    if name == "model_xray" and "renyi_entropy" in statistics:
        agreement = statistics.get("horizon_agreement", {}).get("valid", float("nan"))
        entropy = statistics["renyi_entropy"].get("valid", float("nan"))
        return f"RE {entropy:.2f}, horizon {agreement:.2f}"
    if name == "b3d" and "mask_l1" in statistics:
        sizes = np.asarray(statistics["mask_l1"])
        least = int(sizes.argmin())
        rate, index = statistics["success_rate"][least], statistics["anomaly_index"][least]
        return (
            f"label {least}: {sizes[least]:.0f} of {np.median(sizes):.0f} pixels, index "
            f"{index:.1f}, {rate:.0%}"
        )
    if name == "dtinspector" and "transfer_ratio" in statistics:
        ratios = {n: r for n, r in enumerate(statistics["transfer_ratio"]) if r is not None}
        least = min(ratios, key=lambda label: ratios[label])
        index, fitted = statistics["anomaly_index"][least], statistics["fitted_ratio"][least]
        return (
            f"label {least}: transfer ratio {ratios[least]:.2f} of {fitted:.2f}, index {index:.1f}"
        )
    return "-"


def _reason(found: Mapping[str, Any]) -> str:
    """Why a detector has no figures, up to the next step."""
    reason = str(found["reason"] or "-")
    return reason.partition(":")[0].partition(";")[0]


def _target(row: Row) -> str:
    """The labels that triggers lead to, or the mapping's name where they follow the image's own."""
    single = row.get("target_label")
    targets = row.get("target_labels") or ([] if single is None else [single])
    return ", ".join(map(str, targets)) or row.get("mapping") or "-"


def joined(rows: Iterable[Row]) -> list[Row]:
    """One row for each model, with the detectors of all its rows in the order of a report."""
    models: dict[str, Row] = {}
    for row in rows:
        known = models.setdefault(row["file"], {**row, "detectors": {}})
        known["detectors"] |= row["detectors"]
    places = {name: place for place, name in enumerate(ALL_DETECTORS)}
    for row in models.values():
        found = sorted(row["detectors"].items(), key=lambda item: places.get(item[0], len(places)))
        row["detectors"] = dict(found)
    return list(models.values())


def table(rows: Sequence[Row]) -> list[str]:
    """One line for each model and detector, in Markdown."""
    headings = ("model", "target", "detector", "outcome", "score", "suspected", "queries", "s")
    lines = markdown.head(headings)
    for row in sorted(joined(rows), key=lambda row: (row["attack"] or "", row["file"])):
        for name, found in row["detectors"].items():
            cells = (
                row["file"].removesuffix(".onnx"),
                _target(row),
                name,
                found["outcome"],
                score(name, found["statistics"]) if found["statistics"] else _reason(found),
                ", ".join(map(str, found["suspected"])) or "-",
                f"{found['queries']:,}",
                f"{found['seconds']:.0f}",
            )
            lines.append(markdown.line(cells))
    return lines


def main(argv: list[str] | None = None) -> int:
    """Scan what has no result yet; print the table."""
    parser = argparse.ArgumentParser(description="All detectors of a policy over many models.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--probes", type=Path)
    parser.add_argument("--triggers", type=Path)
    parser.add_argument("--training", type=Path)
    parser.add_argument("--beside", type=Path, nargs="*", default=[], metavar="FILE")
    parser.add_argument("--only", nargs="*", metavar="FILE", help="models to scan; all without")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    policy = read_policy(args.policy)

    def scanned(path: Path, entry: Row, probes: ProbeSet) -> Row:
        return scan(path, entry, policy, probes, args.seed, args.triggers, args.training)

    rows = scan_missing(args.folder, args.out, policy, args.probes, scanned, args.only or ())
    others = [json.loads(path.read_text(encoding="utf-8")) for path in args.beside]
    print("\n".join(table([*rows, *itertools.chain(*others)])))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
