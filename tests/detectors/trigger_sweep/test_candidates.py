from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest

from tests.detectors.trigger_sweep.making import RUNGS, scene, smooth_images
from xray_gate.detectors.trigger_sweep.candidates import Candidate, draw_candidates
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.families.interface import Rung
from xray_gate.probing.batches import FloatArray

ALL = tuple(ALL_FAMILIES)
SCENE = scene((3, 32, 32))
IMAGE = smooth_images(1, (3, 32, 32))

Streams = dict[tuple[str, Rung], list[FloatArray]]


def draw(count: int, families: Sequence[str] = ALL, seed: int = 0) -> list[Candidate]:
    return draw_candidates(families, count, SCENE, np.random.default_rng(seed))


def streams(candidates: Sequence[Candidate]) -> Streams:
    """What the candidates of each rung do to an image, in the order of drawing."""
    found: Streams = defaultdict(list)
    for candidate in candidates:
        found[candidate.family, candidate.rung].append(candidate.trigger.stamp(IMAGE))
    return found


def assert_begins_with(longer: Streams, shorter: Streams) -> None:
    for key, stamps in shorter.items():
        assert len(stamps) <= len(longer[key])
        for one, other in zip(stamps, longer[key], strict=False):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("few", "many"), [(1, 100), (100, 300), (300, 310)])
def test_more_candidates_are_the_same_and_others(few: int, many: int) -> None:
    smaller, larger = streams(draw(few)), streams(draw(many))
    assert_begins_with(larger, smaller)
    assert sum(map(len, larger.values())) > sum(map(len, smaller.values()))


@pytest.mark.parametrize("left_out", ALL)
def test_leaving_out_a_family_does_not_change_the_others(left_out: str) -> None:
    others = [name for name in ALL if name != left_out]
    smaller, larger = streams(draw(150)), streams(draw(150, others))
    assert {name for name, _ in larger} == set(others)
    for key in larger:
        assert_begins_with({key: larger[key]}, {key: smaller[key]})


def test_the_order_of_the_families_does_not_change_them() -> None:
    forwards, backwards = streams(draw(120)), streams(draw(120, ALL[::-1]))
    assert_begins_with(forwards, backwards)
    assert_begins_with(backwards, forwards)


@pytest.mark.parametrize("count", [0, 1, 40])
def test_every_rung_has_at_least_one(count: int) -> None:
    drawn = [(candidate.family, candidate.rung) for candidate in draw(count)]
    assert set(drawn) == set(RUNGS)
    assert all(candidate.trigger.dose == candidate.rung.dose for candidate in draw(count))


@pytest.mark.parametrize("count", [700, 2000])
def test_rungs_get_their_parts_of_the_count(count: int) -> None:
    drawn = draw(count)
    total = sum(rung.weight for _, rung in RUNGS)
    for (_, rung), stamps in streams(drawn).items():
        assert abs(len(stamps) - count * rung.weight / total) <= 0.5
    assert abs(len(drawn) - count) <= len(RUNGS) / 2


def test_a_single_family_gets_them_all() -> None:
    drawn = draw(300, ["warp"])
    assert {candidate.family for candidate in drawn} == {"warp"}
    assert abs(len(drawn) - 300) <= 2


def test_candidates_of_a_rung_differ_and_so_do_seeds() -> None:
    first, other = streams(draw(400)), streams(draw(400, seed=1))
    for stamps in first.values():
        if len(stamps) > 3:
            assert any((stamp != stamps[0]).any() for stamp in stamps[1:])
    assert sum((one[0] != other[key][0]).any() for key, one in first.items()) > len(RUNGS) / 2


@pytest.mark.parametrize(
    ("side", "missing"),
    [
        (32, []),
        (28, []),
        (224, []),
        (24, [(name, dose) for name in ("patch", "frame") for dose in (1 / 32, 1 / 16)]),
        (16, [("patch", 1 / 32), ("patch", 3 / 32), ("frame", 1 / 32), ("frame", 3 / 32)]),
    ],
)
def test_a_dose_that_whole_pixels_make_much_stronger_is_left_out(
    side: int, missing: list[tuple[str, float]]
) -> None:
    drawn = draw_candidates(ALL, 200, scene((3, side, side)), np.random.default_rng(0))
    tried = {(candidate.family, candidate.rung.dose) for candidate in drawn}
    assert {(name, rung.dose) for name, rung in RUNGS} - tried == set(missing)
    assert abs(len(drawn) - 200) < 20
