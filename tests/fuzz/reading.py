"""Reads a file of images in every way that the product does, and looks at what comes out."""

from pathlib import Path

import numpy as np

from xray_gate.core.errors import InputError
from xray_gate.probing.batches import FloatArray
from xray_gate.probing.probe_files import read_probes
from xray_gate.probing.training_data import TrainingData, open_images, open_training_data

# A mutated file of some KiB has no more honest images.
_MOST_BATCHES = 20


def read_all(path: Path) -> None:
    """As probes and as training data, with and without a size; `InputError` is kept."""
    for size in (None, (6, 5)):
        try:
            probes = read_probes(path, size)
        except InputError as error:
            _told(error, path)
            continue
        _require_images(probes.images)
        assert probes.labels.shape == (len(probes.images),)
        assert len(set(probes.labels.tolist())) > 1
    for opened, size, channels in ((open_training_data, None, 3), (open_images, (6, 5), None)):
        try:
            _pass(opened(path, size, channels))
        except InputError as error:
            _told(error, path)


def _pass(data: TrainingData) -> None:
    seen = 0
    for batch, _ in zip(data.batches(3), range(_MOST_BATCHES), strict=False):
        _require_images(batch.images)
        assert batch.images.shape[1:] == data.shape
        assert batch.labels.shape == batch.rows.shape == (len(batch.images),)
        seen += len(batch.images)
    last = min(seen, len(data)) - 1
    assert data.take(np.array([last, 0])).shape == (2, *data.shape)
    assert data.name(last)
    assert data.sha256.startswith("sha256:")


def _require_images(images: FloatArray) -> None:
    assert images.dtype == np.float32
    assert images.size
    assert images.min() >= 0
    assert images.max() <= 1


def _told(error: InputError, path: Path) -> None:
    assert str(path) in str(error)
    assert ";" in str(error)
