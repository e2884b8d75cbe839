"""Train many models side by side; record each in a manifest as soon as it is done."""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Protocol, TypeVar

from benchmarks.lab.provenance import current_commit
from benchmarks.whole_files import write_text

LOG = logging.getLogger("lab")
Entry = dict[str, Any]


class Named(Protocol):
    """What is to be trained; ``file`` is the name of its model in the manifest's folder."""

    @property
    def file(self) -> str:
        """Name of the model's file."""
        ...


JobT = TypeVar("JobT", bound=Named)


def read_manifest(path: Path) -> dict[str, Entry]:
    """Read the manifest's entries by file name, leaving out models missing or altered on disk."""
    if not path.exists():
        return {}
    intact = {}
    for entry in json.loads(path.read_text(encoding="utf-8")):
        model = path.parent / entry["file"]
        if model.exists() and hashlib.sha256(model.read_bytes()).hexdigest() == entry["sha256"]:
            intact[entry["file"]] = entry
    return intact


def train_missing(
    jobs: Sequence[JobT], train: Callable[[JobT], Entry], manifest: Path, workers: int
) -> None:
    """Train the jobs that the manifest does not hold yet, in their order.

    Args:
        jobs: What is wanted.
        train: Writes a model into the manifest's folder and returns its entry; a function of a
            module or a ``functools.partial`` of one, as it runs in other processes.
        manifest: A file, written anew after each model, so that an interrupted run loses none.
        workers: Models trained side by side.

    """
    entries = read_manifest(manifest)
    missing = [job for job in jobs if job.file not in entries]
    LOG.info("%d of %d models to train", len(missing), len(jobs))
    commit = current_commit()
    # CUDA does not work in a process that was forked.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        try:
            for done in as_completed([pool.submit(train, job) for job in missing]):
                entry = {**done.result(), "commit": commit}
                entries[entry["file"]] = entry
                ordered = [entries[file] for file in sorted(entries)]
                write_text(manifest, json.dumps(ordered, indent=1) + "\n")
                LOG.info(
                    "%(file)s accuracy %(clean_accuracy).4f ASR %(attack_success_rate)s, "
                    "%(seconds).0f s",
                    entry,
                )
        except BaseException:
            # Models that nobody will record must not be trained first.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
