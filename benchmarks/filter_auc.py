"""How well reversed triggers tell triggered inputs from clean ones (B3D, Eq. 8).

    python -m benchmarks.filter_auc FOLDER --triggers TRIGGERS --clean CLEAN [--limit N]
        [--dataset NAME]

FOLDER holds models, a ``manifest.json`` and each model's ``triggered_images``, or
``MODEL-triggered.npz`` as the lab writes them; TRIGGERS what
``benchmarks.detector_table --triggers`` wrote. CLEAN are samples that no trigger was fitted to. For
each trigger: the area under the curve of the score, over the clean samples and the triggered images
that the model really calls the trigger's label.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from xray_gate.mitigation.trigger_score import trigger_scores
from xray_gate.probing.probe_files import read_probes
from xray_gate.probing.trigger_files import StoredTrigger
from xray_gate.wiring import scanning


def main(argv: list[str] | None = None) -> int:
    """Print one line for each trigger."""
    parser = argparse.ArgumentParser(description="The areas under the curve of Eq. 8.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--triggers", type=Path, required=True)
    parser.add_argument("--clean", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--dataset", help="only models of this data set, which CLEAN is of")
    args = parser.parse_args(argv)
    policy = scanning.default_policy()
    clean = read_probes(args.clean, limit=args.limit)
    print("| model | trigger for | clean | triggered | AUC |\n|---|---|---|---|---|")
    for entry in json.loads((args.folder / "manifest.json").read_text(encoding="utf-8")):
        stem = entry["file"].removesuffix(".onnx")
        if args.dataset not in (None, entry["dataset"]):
            continue
        for path in sorted(args.triggers.glob(f"{stem}-*.npz")):
            images = args.folder / (entry.get("triggered_images") or f"{stem}-triggered.npz")
            if not images.exists():
                print(f"| {stem} | - | no triggered images | - | - |", flush=True)
                continue
            label = int(path.stem.rpartition("-")[2])
            with np.load(path) as stored:
                trigger = StoredTrigger(label, stored["mask"], stored["pattern"], "b3d", "")
            triggered = read_probes(images)
            shape, classes = clean.images.shape[1:], int(clean.labels.max()) + 1
            model = args.folder / entry["file"]
            with scanning.open_classifier(model, policy, classes, shape, "auto") as opened:
                without = trigger_scores(opened, clean.images, [trigger])
                carried = trigger_scores(opened, triggered.images, [trigger])
            # An image on which the attack failed is like a clean one for the model.
            scores = carried.scores[carried.labels == label]
            truth = [*np.zeros(len(without)), *np.ones(len(scores))]
            counts = f"{len(without)} | {len(scores)} of {len(carried)}"
            # A trigger for another label than the attack's: nothing to tell from clean images.
            area = (
                f"{roc_auc_score(truth, [*-without.scores, *-scores]):.4f}" if len(scores) else "-"
            )
            print(f"| {stem} | {label} | {counts} | {area} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
