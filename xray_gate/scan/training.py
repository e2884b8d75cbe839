"""Training data as a scan needs them, and those that a policy leads to, which may be broken."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from xray_gate.core.errors import InputError, ScanError
from xray_gate.probing.batches import FloatArray, IndexArray
from xray_gate.probing.image_files import Size
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.probing.training_data import TrainingBatch, TrainingData, open_training_data
from xray_gate.probing.training_rows import Shape
from xray_gate.scan.work import MissingTraining, TrainingFiles


def given_training_data(files: TrainingFiles, size: Size | None, probes: ProbeSet) -> TrainingData:
    """The training data in `files`, in the probes' form; they are read in passes, later.

    `size` (height, width) is the one that the policy's preprocessing asks for. Raises `InputError`
    as `open_training_data` does, and where images have another size than the probes.
    """
    channels, *wanted = probes.images.shape[1:]
    training = open_training_data(files.path, size, channels)
    found = list(training.shape[1:])
    if found != wanted:
        raise InputError(
            f"{files.path}: images are of {found[0]} x {found[1]} pixels, the probes of "
            f"{wanted[0]} x {wanted[1]}; set `size` in the policy's preprocessing"
        )
    return training


def found_training_data(
    files: TrainingFiles, size: Size | None, probes: ProbeSet
) -> TrainingData | MissingTraining:
    """As `given_training_data`, for data that nobody gave to this very scan.

    A registrant may have chosen them, or a file may have been moved since the policy was written:
    what is wrong with them must end the detectors that need them, not the others. So it becomes
    the reason why they are missing, or, when a pass over them finds it, a `ScanError`.
    """
    try:
        with _named(files):
            training = given_training_data(files, size, probes)
            return _FoundTrainingData(files.source, training.sha256, files, training)
    except ScanError as error:
        return MissingTraining(str(error))


def training_facts(training: TrainingData | MissingTraining | None) -> dict[str, Any]:
    """What the evidence's environment says of them; nothing where nobody asked for any."""
    if training is None:
        return {}
    if isinstance(training, MissingTraining):
        return {"training_data": {"missing": training.reason}}
    facts = {"source": training.source, "samples": len(training), "sha256": training.sha256}
    return {"training_data": facts}


@contextmanager
def _named(files: TrainingFiles) -> Iterator[None]:
    """What is wrong with them, by the name that people know, becomes a `ScanError`."""
    try:
        yield
    except InputError as error:
        raise ScanError(str(error).replace(str(files.path), files.source)) from error


@dataclass(frozen=True)
class _FoundTrainingData:
    source: str
    sha256: str
    _files: TrainingFiles
    _stored: TrainingData

    @property
    def shape(self) -> Shape:
        return self._stored.shape

    def __len__(self) -> int:
        return len(self._stored)

    def batches(self, size: int) -> Iterator[TrainingBatch]:
        with _named(self._files):
            yield from self._stored.batches(size)

    def take(self, rows: IndexArray) -> FloatArray:
        with _named(self._files):
            return self._stored.take(rows)

    def name(self, row: int) -> str:
        return self._stored.name(row)
