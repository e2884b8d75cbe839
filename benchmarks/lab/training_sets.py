"""Write what models of a plan were trained on: it follows from their seeds.

    python -m benchmarks.lab.training_sets --data-folder DATA --plan PLAN --out FOLDER FILE...

For each FILE, a model that the plan trains, ``FILE-training.npz``: ``images`` uint8 (n, height,
width, channels) and ``labels``, as the network saw them, and ``poisoned`` (bool), which of them an
attack changed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.lab.data.sources import add_data_options, load, sources_of
from benchmarks.lab.making.jobs import read_plan
from benchmarks.lab.making.one_model import training_set
from benchmarks.whole_files import write_npz


def main(argv: list[str] | None = None) -> int:
    """Write the sets of the files that are named."""
    parser = argparse.ArgumentParser(description="The training sets of trained models.")
    parser.add_argument("files", nargs="+")
    add_data_options(parser)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    try:
        sources = sources_of(args)
        jobs = {job.file: job for job in read_plan(args.plan, sources)}
    except (OSError, ValueError) as error:
        parser.error(str(error))
    args.out.mkdir(parents=True, exist_ok=True)
    for file in args.files:
        if file not in jobs:
            parser.error(f"{file}: {args.plan} trains no such model")
        job = jobs[file]
        data = load(job.dataset, sources[job.dataset])
        train, backdoors = training_set(job, data)
        changed = np.zeros(len(train.labels), np.bool_)
        # Recipes that drop samples come without an attack, so that rows can be compared.
        if backdoors:
            pixels = (train.images != data.train.images).any(axis=(1, 2, 3))
            changed = pixels | (train.labels != data.train.labels)
        name = f"{file.removesuffix('.onnx')}-training.npz"
        write_npz(args.out / name, images=train.images, labels=train.labels, poisoned=changed)
        print(f"{name}: {len(changed)} samples, {int(changed.sum())} poisoned", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
