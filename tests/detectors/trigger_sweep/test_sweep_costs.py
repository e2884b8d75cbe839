"""What a sweep costs, and what it repeats."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from tests.detectors.trigger_sweep.making import world
from tests.detectors.trigger_sweep.running import completed, planted, sweep
from tests.fakes.backdoors import HashOracle
from tests.fakes.oracles import FakeOracle, RegionsOracle
from xray_gate.core.evidence import DetectorEvidence

pytestmark = pytest.mark.usefixtures("few_trials")


def untimed(evidence: DetectorEvidence) -> DetectorEvidence:
    return replace(evidence, seconds=0.0)


@pytest.mark.parametrize(
    ("classes", "each", "queries"),
    [(2, 110, 8_000), (2, 110, 20_000), (3, 80, 10_000), (10, 21, 8_000), (100, 3, 8_000)],
)
@pytest.mark.parametrize("random", [False, True], ids=["sound", "random"])
def test_a_sweep_ends_within_its_budget(
    classes: int, each: int, queries: int, random: bool
) -> None:
    centres, probes = world(classes, each)
    oracle: FakeOracle = HashOracle(classes) if random else RegionsOracle(centres)
    run = sweep(oracle, probes, queries=queries)
    assert run.evidence.queries == oracle.queries <= queries
    completed(run)


def test_a_seed_fixes_the_evidence() -> None:
    centres, probes = world(5, 20)
    first, again, other = (
        sweep(planted(centres), probes, seed, queries=9_000) for seed in (1, 1, 2)
    )
    assert untimed(first.evidence) == untimed(again.evidence)
    assert first.evidence.statistics != other.evidence.statistics
    assert len(first.triggers) == len(again.triggers) > 0
    for one, same in zip(first.triggers, again.triggers, strict=True):
        np.testing.assert_array_equal(one.after, same.after)
        np.testing.assert_array_equal(one.labels_after, same.labels_after)


@pytest.mark.parametrize("seed", range(2))
def test_more_budget_keeps_what_was_found(seed: int) -> None:
    centres, probes = world(5, 20, seed=seed)
    found = [
        completed(sweep(planted(centres), probes, seed, queries))
        for queries in (9_000, 13_000, 18_000)
    ]
    for less, more in itertools.pairwise(found):
        assert more["candidates"] > less["candidates"]
        assert more["p_value"] < 1e-6
        assert more["candidate"]["share"] > less["candidate"]["share"] - 0.1
        assert more["excess"] > less["excess"] - 0.1
        assert more["images"] == less["images"]


def test_progress_rises_to_the_budget() -> None:
    centres, probes = world(5, 20)
    steps: list[tuple[int, int]] = []
    sweep(
        RegionsOracle(centres),
        probes,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert steps == sorted(steps)
    assert len(steps) > 8
    assert steps[-1] == (12_000, 12_000)
    assert all(0 < done <= 12_000 == total for done, total in steps)


def test_the_probes_stay_as_they_are() -> None:
    centres, probes = world(4, 15)
    images, labels = probes.images.copy(), probes.labels.copy()
    completed(sweep(RegionsOracle(centres), probes, queries=8_000))
    np.testing.assert_array_equal(probes.images, images)
    np.testing.assert_array_equal(probes.labels, labels)
