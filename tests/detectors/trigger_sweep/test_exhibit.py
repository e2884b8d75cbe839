import itertools

import numpy as np
import pytest

from tests.detectors.trigger_sweep.making import (
    RUNG_IDS,
    RUNGS,
    from_one,
    next_label,
    scene,
    to_label,
    white_square,
    world,
)
from tests.fakes.backdoors import BackdooredOracle, Relabel, noise_everywhere, white_in_the_corner
from tests.fakes.oracles import FakeOracle, RegionsOracle
from xray_gate.detectors.trigger_sweep.candidates import Candidate
from xray_gate.detectors.trigger_sweep.confirmation import Confirmed, confirm
from xray_gate.detectors.trigger_sweep.exhibit import cost, exhibit
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.families.interface import Rung
from xray_gate.detectors.trigger_sweep.readings import Kind, Reading
from xray_gate.detectors.trigger_sweep.responses import Responses
from xray_gate.detectors.trigger_sweep.search import Lead

CLASSES = 5
CENTRES, PROBES = world(CLASSES, 8)
PATCH = Candidate("patch", ALL_FAMILIES["patch"].rungs[4], white_square(11, 11, side=4))
NOISE_RUNG = ALL_FAMILIES["noise_blend"].rungs[2]
NOISE = Candidate(
    "noise_blend",
    NOISE_RUNG,
    ALL_FAMILIES["noise_blend"].draw(NOISE_RUNG.dose, scene(), np.random.default_rng(0)),
)
TO_THREE = Reading(Kind.TO_ONE, 3)


def planted(mapping: Relabel, noise: bool = False) -> BackdooredOracle:
    fires = noise_everywhere(0.11) if noise else white_in_the_corner()
    return BackdooredOracle(RegionsOracle(CENTRES), fires, mapping)


def found(
    oracle: FakeOracle, candidate: Candidate, reading: Reading, count: int = 40
) -> tuple[Confirmed, Responses]:
    held_out = Responses(oracle, PROBES.images[:count], PROBES.labels[:count])
    (tested,) = confirm(held_out, [Lead(0, candidate, reading, 0.4, 20, 20)])
    return tested, held_out


def test_images_are_shown_without_and_with_the_trigger_and_with_both_labels() -> None:
    oracle = planted(to_label(3))
    shown = exhibit("trigger_sweep", *found(oracle, PATCH, TO_THREE))
    eligible = np.flatnonzero(PROBES.labels != 3)[:8]
    np.testing.assert_array_equal(shown.before, PROBES.images[eligible])
    np.testing.assert_array_equal(shown.after, PATCH.trigger.stamp(PROBES.images[eligible]))
    assert shown.labels_before.tolist() == PROBES.labels[eligible].tolist()
    assert shown.labels_after.tolist() == [3] * 8
    assert shown.detector == "trigger_sweep"
    assert shown.text == "a 4x4 white patch at the bottom right"


def test_labels_are_shown_also_where_the_trigger_failed() -> None:
    elsewhere = Candidate("patch", PATCH.rung, white_square(0, 0, side=4))
    shown = exhibit("trigger_sweep", *found(planted(to_label(3)), elsewhere, TO_THREE))
    np.testing.assert_array_equal(shown.labels_after, shown.labels_before)


def test_the_images_of_a_source_specific_trigger_are_of_its_class() -> None:
    reading = Reading(Kind.FROM_ONE, 4, 2)
    shown = exhibit("trigger_sweep", *found(planted(from_one(2, 4)), PATCH, reading))
    assert shown.labels_before.tolist() == [2] * 8
    assert shown.labels_after.tolist() == [4] * 8


def test_the_heat_map_is_hottest_where_the_trigger_was_planted() -> None:
    heat = exhibit("trigger_sweep", *found(planted(to_label(3)), PATCH, TO_THREE)).heat_map
    assert heat is not None
    assert heat.shape == (7, 7)
    assert heat.dtype == np.float32
    assert 0 <= heat.min() <= heat.max() <= 1
    assert (heat[5:, 5:] == 1).all()
    assert heat[:4].max() == heat[:, :4].max() == 0


def test_a_heat_map_of_rotated_labels_counts_every_movement() -> None:
    tested = found(planted(next_label(CLASSES)), PATCH, Reading(Kind.ANYWHERE))
    heat = exhibit("trigger_sweep", *tested).heat_map
    assert heat is not None
    assert heat[6, 6] == 1
    assert heat[0, 0] == 0


def test_a_trigger_without_a_place_has_no_heat_map() -> None:
    shown = exhibit("trigger_sweep", *found(planted(to_label(3), noise=True), NOISE, TO_THREE))
    assert shown.heat_map is None
    assert shown.dose_curve is not None


def test_the_dose_curve_rises_with_the_noise_for_the_label_that_draws_all() -> None:
    oracle = planted(to_label(3), noise=True)
    curve = exhibit("trigger_sweep", *found(oracle, NOISE, TO_THREE)).dose_curve
    assert curve is not None
    assert curve.unit == "the noise's weight"
    assert curve.doses == tuple(rung.dose for rung in ALL_FAMILIES["noise_blend"].rungs)
    assert curve.dose == NOISE_RUNG.dose
    first, *others = curve.shares
    assert first == 3
    assert list(curve.shares[3]) == sorted(curve.shares[3])
    assert (curve.shares[3][0], curve.shares[3][-1]) == (0.0, 1.0)
    assert all(max(curve.shares[label]) == 0 for label in others)


def test_the_curve_of_the_readings_own_label_comes_first_even_where_another_draws_more() -> None:
    tested = found(planted(to_label(3)), PATCH, Reading(Kind.TO_ONE, 1))
    curve = exhibit("trigger_sweep", *tested).dose_curve
    assert curve is not None
    assert list(curve.shares)[:2] == [1, 3]


def test_at_the_dose_that_was_found_the_curve_shows_what_was_found() -> None:
    tested, held_out = found(planted(to_label(3)), PATCH, TO_THREE, count=30)
    curve = exhibit("trigger_sweep", tested, held_out).dose_curve
    assert curve is not None
    assert curve.shares[3][curve.doses.index(curve.dose)] == tested.share == 1.0


def test_rotated_labels_have_curves_of_the_labels_that_draw_most() -> None:
    tested = found(planted(next_label(CLASSES)), PATCH, Reading(Kind.ANYWHERE))
    curve = exhibit("trigger_sweep", *tested).dose_curve
    assert curve is not None
    assert len(curve.shares) == 4
    peaks = [max(shares) for shares in curve.shares.values()]
    assert peaks == sorted(peaks, reverse=True)
    at_the_dose = [shares[curve.doses.index(curve.dose)] for shares in curve.shares.values()]
    assert 0.1 < min(at_the_dose) <= max(at_the_dose) < 0.4


@pytest.mark.parametrize(("name", "rung"), RUNGS, ids=RUNG_IDS)
def test_an_exhibit_never_costs_more_than_was_said(name: str, rung: Rung) -> None:
    trigger = ALL_FAMILIES[name].draw(rung.dose, scene(), np.random.default_rng(0))
    oracle = planted(to_label(3))
    tested, held_out = found(oracle, Candidate(name, rung, trigger), Reading(Kind.ANYWHERE))
    before = oracle.queries
    shown = exhibit("trigger_sweep", tested, held_out)
    assert 0 < oracle.queries - before <= cost(tested)
    assert oracle.queries == held_out.queries
    curve = shown.dose_curve
    assert curve is not None
    assert all(low < high for low, high in itertools.pairwise(curve.doses))
    assert all(0 <= share <= 1 for shares in curve.shares.values() for share in shares)
    assert all(len(shares) == len(curve.doses) for shares in curve.shares.values())
    assert shown.after.min() >= 0
    assert shown.after.max() <= 1


def test_a_single_image_is_enough_to_show() -> None:
    before = np.array([3, 3, 1])
    held_out = Responses(planted(to_label(3)), PROBES.images[[3, 8, 1]], before)
    (tested,) = confirm(held_out, [Lead(0, PATCH, TO_THREE, 0.4, 20, 20)])
    shown = exhibit("trigger_sweep", tested, held_out)
    assert shown.labels_before.tolist() == [1]
    assert shown.labels_after.tolist() == [3]
    assert shown.heat_map is not None
    assert set(np.unique(shown.heat_map)) == {0.0, 1.0}
