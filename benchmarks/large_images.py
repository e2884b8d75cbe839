"""What the trigger sweep costs on images of 224x224 and 100 classes, beside the model's own time.

    python -m benchmarks.large_images

The model is a nearest-prototype classifier, clean and with a planted patch, so that time and memory
are the sweep's own.
"""

from __future__ import annotations

import resource
import time

import numpy as np

from xray_gate.detectors.interface import Subject
from xray_gate.detectors.trigger_sweep.detector import TriggerSweep
from xray_gate.detectors.trigger_sweep.families.patterns import smooth_field
from xray_gate.detectors.trigger_sweep.parameters import TriggerSweepParameters
from xray_gate.probing.batches import Batch, FloatArray, LabelArray
from xray_gate.probing.probe_set import ProbeSet

SIDE = 224
CLASSES = 100
SAMPLED = 8
PATCH = 14
TARGET = 7


class Prototypes:
    """The nearest of 100 smooth images; a white square at the bottom right means ``TARGET``."""

    classes = CLASSES

    def __init__(self, prototypes: FloatArray, backdoored: bool) -> None:
        self._flat = _flat(prototypes)
        self._backdoored = backdoored

    def labels(self, batch: Batch) -> LabelArray:
        """Int64 (n,)."""
        parts = [
            self._answer(batch.images(start, min(start + 256, len(batch))))
            for start in range(0, len(batch), 256)
        ]
        return np.concatenate(parts)

    def _answer(self, images: FloatArray) -> LabelArray:
        distance = (self._flat**2).sum(axis=1) - 2 * _flat(images) @ self._flat.T
        labels = distance.argmin(axis=1).astype(np.int64)
        white = (images[:, :, -PATCH:, -PATCH:] > 0.98).all(axis=1).mean(axis=(1, 2)) > 0.4
        return np.where(white & self._backdoored, TARGET, labels)


def _flat(images: FloatArray) -> FloatArray:
    return images[:, :, ::SAMPLED, ::SAMPLED].reshape(len(images), -1)


def main() -> None:
    """Print queries, seconds and memory for both models."""
    rng = np.random.default_rng(0)
    shape = (3, SIDE, SIDE)
    prototypes = np.stack([0.5 + 0.4 * smooth_field(shape, 6, rng) for _ in range(CLASSES)])
    labels = np.arange(2 * CLASSES) % CLASSES
    noisy = prototypes[labels] + rng.normal(0, 0.03, (len(labels), *shape))
    probes = ProbeSet(np.clip(noisy, 0, 1).astype(np.float32), labels)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for backdoored in (False, True):
        subject = Subject(Prototypes(prototypes, backdoored), probes, labels)
        started = time.perf_counter()
        evidence = (
            TriggerSweep(TriggerSweepParameters()).run(subject, np.random.default_rng(0)).evidence
        )
        seconds = time.perf_counter() - started
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) // 1024
        print(
            f"backdoored {backdoored}: {evidence.queries:,} queries, {seconds:.0f} s, "
            f"{more} MiB more than before, p = {evidence.statistics['p_value']:.0e}, "
            f"{evidence.statistics['candidate']['text']}"
        )


if __name__ == "__main__":
    main()
