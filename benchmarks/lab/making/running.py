"""Train the models of a plan."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.lab.data.sources import Source, load
from benchmarks.lab.data.splits import PROBES, DataSet, draw_probes
from benchmarks.lab.making.implanting import check_fits
from benchmarks.lab.making.jobs import Job
from benchmarks.lab.making.one_model import make
from benchmarks.lab.making.side_by_side import Entry, train_missing
from benchmarks.lab.training.fitting import Machine
from benchmarks.whole_files import write_npz


@functools.lru_cache(maxsize=2)
def _data(name: str, source: Source) -> DataSet:
    """Decode a data set once per process, not once per model."""
    return load(name, source)


def _work(
    job: Job, sources: Mapping[str, Source], out: Path, threads: int, machine: Machine
) -> Entry:
    torch.set_num_threads(threads)
    # All batches have one size, so that the search for the fastest convolutions pays.
    torch.backends.cudnn.benchmark = machine.device == "cuda"
    return make(job, _data(job.dataset, sources[job.dataset]), out, threads, machine)


def prepare_folder(jobs: list[Job], sources: Mapping[str, Source], out: Path) -> None:
    """Write ``probes_DATASET.npz`` for each data set, if every job fits the one that it names.

    Raises:
        OSError: If a data set cannot be read.
        ValueError: As ``load``, or if a job asks for more than its data set has; nothing is written
            then.

    """
    kinds = dict.fromkeys(replace(job, seed=0, recipe="normal") for job in jobs)
    probes = {}
    for name in sorted({job.dataset for job in jobs}):
        data = load(name, sources[name])
        for kind in (kind for kind in kinds if kind.dataset == name):
            check_fits(kind, data)
        probes[name] = draw_probes(data.test, PROBES, np.random.default_rng(0))
    out.mkdir(parents=True, exist_ok=True)
    for name, drawn in probes.items():
        path = out / f"probes_{name}.npz"
        if not path.exists():
            write_npz(path, images=drawn.images, labels=drawn.labels)


def train_plan(
    jobs: list[Job],
    sources: Mapping[str, Source],
    out: Path,
    workers: int,
    threads: int,
    machine: Machine,
) -> None:
    """Train the jobs that the manifest in ``out`` does not hold yet, in their order.

    Args:
        jobs: What is wanted.
        sources: Where the data sets of the jobs lie.
        out: Folder for models and ``manifest.json``.
        workers: Models trained side by side.
        threads: Threads for each of them.
        machine: What trains them.

    """
    work = functools.partial(_work, sources=sources, out=out, threads=threads, machine=machine)
    train_missing(jobs, work, out / "manifest.json", workers)
