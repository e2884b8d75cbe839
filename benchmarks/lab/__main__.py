"""Train what a plan asks for and record each model as soon as it is done.

    python -m benchmarks.lab --data-folder DATA --plan benchmarks/lab/plans/development.yaml \
        --out DIR --jobs 3 --threads 1

A run resumes: what the manifest holds, with its file intact, is skipped. Run one process per
output folder; ``--jobs`` trains several models side by side.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from benchmarks.lab.jobs import read_plan
from benchmarks.lab.running import train_plan


def main(argv: list[str] | None = None) -> int:
    """Train a plan."""
    parser = argparse.ArgumentParser(description="Train clean and backdoored classifiers.")
    parser.add_argument("--data-folder", type=Path, required=True, help="parquet files")
    parser.add_argument("--plan", type=Path, required=True, help="what to train (YAML)")
    parser.add_argument("--out", type=Path, required=True, help="folder for models and manifest")
    parser.add_argument("--jobs", type=int, default=2, help="models trained side by side")
    parser.add_argument("--threads", type=int, default=1, help="threads for each of them")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        jobs = read_plan(args.plan)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    train_plan(jobs, args.data_folder, args.out, args.jobs, args.threads)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
