"""Detectors as a plug-in would bring them."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from xray_gate.core.access import Access
from xray_gate.core.errors import InputError
from xray_gate.detectors.interface import Detector, Findings, Progress, Subject
from xray_gate.detectors.json_parameters import require_known
from xray_gate.probing.batches import Images


class Answer(Detector):
    """The share of noise images that get the most common label; `drawn` shows the noise."""

    name = "answer"
    access = Access.HARD_LABEL

    def __init__(self, images: int = 20, query_budget: int | None = None) -> None:
        if images < 1:
            raise InputError(f"{self.name}: images is {images}; give 1 or more")
        super().__init__({"images": images}, query_budget)
        self._images = images

    @classmethod
    def from_json(cls, parameters: Mapping[str, Any], query_budget: int | None = None) -> Self:
        return cls(**require_known(cls.name, ["images"], parameters), query_budget=query_budget)

    def queries_needed(self, classes: int, training: int) -> int:
        return self._images

    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        subject.refuse_one_label("noise has no other label to go to")
        shape = (self._images, *subject.probes.images.shape[1:])
        noise = rng.random(shape, dtype=np.float32)
        labels = subject.oracle.labels(Images(noise))
        progress(1, 1)
        share = float(np.bincount(labels).max() / len(labels))
        return Findings({"share": share, "drawn": float(noise.sum())})


class Second(Answer):
    """Another one, under another name."""

    name = "second"
