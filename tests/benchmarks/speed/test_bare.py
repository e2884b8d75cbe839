from typing import Any

import numpy as np
import pytest

from benchmarks.speed import bare
from benchmarks.speed.bare import Bare
from benchmarks.speed.plan import Floats

SHAPE = (3, 8, 8)


class Counting:
    """A runtime that adds up the images that it is asked about."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.waited = 0

    def put(self, images: Floats) -> Floats:
        return images

    def run(self, batch: Floats) -> Floats:
        self.batches.append(len(batch))
        return batch

    def fetch(self, scores: Any) -> Floats:
        return np.asarray(scores)

    def wait(self) -> None:
        self.waited += 1


def test_it_counts_whole_batches_and_waits_for_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Counting()
    queries, seconds = Bare(model, SHAPE, "cpu", batch=32).run(100)
    assert model.batches == [32] * 4
    assert queries == 128
    assert seconds > 0
    assert model.waited == 1


def test_it_tries_sizes_until_they_no_longer_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {16: 10.0, 32: 30.0, 64: 29.0, 128: 35.0, 256: 20.0, 512: 99.0}
    tried = []

    def rate(_: Bare, batch: int) -> float:
        tried.append(batch)
        return rates[batch]

    monkeypatch.setattr(Bare, "_rate", rate)
    assert Bare(Counting(), SHAPE, "cpu").batch == 128
    assert tried == [16, 32, 64, 128, 256]


def test_large_images_are_not_tried_in_large_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bare, "TRIAL_SECONDS", 0.0)
    monkeypatch.setattr(bare, "MOST_BYTES", {"cpu": 64 * 4 * 3 * 8 * 8})
    model = Counting()
    Bare(model, SHAPE, "cpu")
    assert max(model.batches) <= 64
