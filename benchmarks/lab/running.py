"""Train many models side by side; record each in the manifest as soon as it is done."""

from __future__ import annotations

import functools
import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.lab.data import PROBES, DataSet, draw_probes, load
from benchmarks.lab.jobs import Job
from benchmarks.lab.making import make
from benchmarks.lab.provenance import current_commit
from benchmarks.train_models import read_manifest, write_manifest
from benchmarks.whole_files import write_npz

LOG = logging.getLogger("lab")


@functools.lru_cache(maxsize=2)
def _data(name: str, folder: Path) -> DataSet:
    """Decode a data set once per process, not once per model."""
    return load(name, folder)


def _work(job: Job, folder: Path, out: Path, threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    return make(job, _data(job.dataset, folder), out, threads)


def _write_probes(name: str, folder: Path, out: Path) -> None:
    path = out / f"probes_{name}.npz"
    if path.exists():
        return
    probes = draw_probes(load(name, folder).test, PROBES, np.random.default_rng(0))
    write_npz(path, images=probes.images, labels=probes.labels)


def train_plan(jobs: list[Job], folder: Path, out: Path, workers: int, threads: int) -> None:
    """Train the jobs that the manifest in ``out`` does not hold yet, in their order.

    Args:
        jobs: What is wanted.
        folder: Holds the parquet files.
        out: Folder for models, probes and ``manifest.json``.
        workers: Models trained side by side.
        threads: Threads for each of them.

    """
    out.mkdir(parents=True, exist_ok=True)
    for name in sorted({job.dataset for job in jobs}):
        _write_probes(name, folder, out)
    manifest = out / "manifest.json"
    entries = read_manifest(manifest)
    missing = [job for job in jobs if job.file not in entries]
    LOG.info("%d of %d models to train", len(missing), len(jobs))
    commit = current_commit()
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        try:
            running = [pool.submit(_work, job, folder, out, threads) for job in missing]
            for done in as_completed(running):
                entry = {**done.result(), "commit": commit}
                entries[entry["file"]] = entry
                write_manifest(manifest, entries)
                LOG.info(
                    "%(file)s accuracy %(clean_accuracy).4f ASR %(attack_success_rate)s "
                    "target %(target_labels)s, %(seconds).0f s",
                    entry,
                )
        except BaseException:
            # Models that nobody will record must not be trained first.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
