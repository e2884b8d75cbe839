"""``python -m benchmarks.lab train``: train what a plan asks for, each model recorded when done.

    python -m benchmarks.lab train --data-folder DATA --out DIR --jobs 3 --threads 1 \
        --plan benchmarks/lab/plans/development.yaml

A run resumes: what the manifest holds, with its file intact, is skipped. Run one process per
output folder; ``--jobs`` trains several models side by side. ``--device cpu`` on machines of one
kind gives the same models each time; a GPU adds sums in changing order.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks.lab.data.sources import add_data_options, sources_of
from benchmarks.lab.making.jobs import read_plan
from benchmarks.lab.making.running import prepare_folder, train_plan
from benchmarks.lab.training.fitting import Machine


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that ``machine_of`` reads."""
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--compile", action="store_true", help="torch.compile the networks")


def machine_of(args: argparse.Namespace) -> Machine:
    """What the command line names; ``auto`` is a GPU where PyTorch finds one.

    Raises:
        ValueError: If a GPU is asked for and there is none.

    """
    found = torch.cuda.is_available()
    if args.device == "cuda" and not found:
        raise ValueError("PyTorch finds no GPU; install the extra gpu, or give --device cpu")
    return Machine("cuda" if found and args.device != "cpu" else "cpu", compiled=args.compile)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_data_options(parser)
    add_machine_options(parser)
    parser.add_argument("--plan", type=Path, required=True, help="what to train (YAML)")
    parser.add_argument("--out", type=Path, required=True, help="folder for models and manifest")
    parser.add_argument("--jobs", type=int, default=2, help="models trained side by side")
    parser.add_argument("--threads", type=int, default=1, help="threads for each of them")


def run(args: argparse.Namespace) -> int:
    """Train a plan; what is wrong with it, the options or the data ends the program before."""
    try:
        sources, machine = sources_of(args), machine_of(args)
        jobs = read_plan(args.plan, sources)
        prepare_folder(jobs, sources, args.out)
    except (OSError, ValueError) as error:
        raise SystemExit(f"benchmarks.lab train: {error}") from error
    train_plan(jobs, sources, args.out, args.jobs, args.threads, machine)
    return 0
