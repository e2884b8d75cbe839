import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detectors.trigger_sweep.making import RUNGS, noise_images, white_square
from tests.fakes.oracles import OneLabelOracle
from xray_gate.detectors.trigger_sweep.allowances import (
    Allowances,
    base_allowance,
    chance,
    excess,
)
from xray_gate.detectors.trigger_sweep.candidates import Candidate
from xray_gate.detectors.trigger_sweep.families.ghosts import Ghost
from xray_gate.detectors.trigger_sweep.families.interface import Rung, Scene
from xray_gate.detectors.trigger_sweep.readings import Kind, Reading
from xray_gate.detectors.trigger_sweep.responses import Responses

CLASSES = 4
WEAK = Rung(0.1, 8, to_one=0.25, anywhere=0.35, from_one=0.6)
STRONG = Rung(0.2, 8, to_one=0.8, anywhere=1.0, from_one=1.0)
BEFORE = [0, 0, 0, 0, 1, 1, 2, 2]

reproducible = settings(derandomize=True, deadline=None, max_examples=150)


def allowances(rows: Sequence[tuple[Rung, Sequence[int]]]) -> tuple[Allowances, list[Candidate]]:
    """What is allowed where the candidates of these rungs gave these labels."""
    candidates = [Candidate("patch", rung, white_square(0, 0)) for rung, _ in rows]
    responses = Responses(OneLabelOracle(CLASSES), noise_images(8), np.array(BEFORE))
    responses.add(candidate.trigger for candidate in candidates)
    responses.labels[:] = [after for _, after in rows]
    return Allowances(responses, candidates, np.arange(8)), candidates


STILL = BEFORE
# Two of the four images of class 0, and one of the other four, become 3.
PULLED = [3, 3, 0, 0, 3, 1, 2, 2]
ALL = [3] * 8


@pytest.mark.parametrize(
    ("kind", "allowed"), [(Kind.TO_ONE, 0.25), (Kind.ANYWHERE, 0.35), (Kind.FROM_ONE, 0.6)]
)
def test_each_kind_has_its_allowance(kind: Kind, allowed: float) -> None:
    assert base_allowance(WEAK, kind) == allowed


@pytest.mark.parametrize(
    "reading",
    [Reading(Kind.TO_ONE, 3), Reading(Kind.ANYWHERE), Reading(Kind.FROM_ONE, 3, 0)],
)
def test_a_model_that_does_not_move_has_the_rungs_allowance(reading: Reading) -> None:
    found, candidates = allowances([(WEAK, STILL), (WEAK, STILL), (WEAK, ALL)])
    for candidate in candidates:
        assert found.pull(candidate, reading) == 0
        assert found.of(candidate, reading) == base_allowance(WEAK, reading.kind)


@pytest.mark.parametrize(
    ("reading", "pull"),
    [
        (Reading(Kind.TO_ONE, 3), 0.3),
        (Reading(Kind.TO_ONE, 0), 0.0),
        (Reading(Kind.FROM_ONE, 3, 1), 0.3),
        (Reading(Kind.FROM_ONE, 3, 2), 0.0),
        (Reading(Kind.ANYWHERE), 0.3),
    ],
)
def test_what_most_candidates_of_a_rung_do_is_allowed_besides(
    reading: Reading, pull: float
) -> None:
    found, candidates = allowances([(WEAK, PULLED), (WEAK, PULLED), (WEAK, ALL), (WEAK, STILL)])
    assert found.pull(candidates[0], reading) == pytest.approx(min(0.3, pull))
    assert found.of(candidates[0], reading) == pytest.approx(
        base_allowance(WEAK, reading.kind) + pull
    )


def test_the_pull_is_the_median_share_of_the_images_that_could_move() -> None:
    one = [3, *BEFORE[1:]]
    found, candidates = allowances([(WEAK, STILL), (WEAK, one), (WEAK, ALL)])
    assert found.pull(candidates[0], Reading(Kind.TO_ONE, 3)) == pytest.approx(1 / 8)
    assert found.pull(candidates[0], Reading(Kind.ANYWHERE)) == pytest.approx(1 / 8)
    assert found.pull(candidates[0], Reading(Kind.FROM_ONE, 3, 0)) == pytest.approx(1 / 4)


def test_rungs_and_families_have_a_pull_of_their_own() -> None:
    other = Rung(0.2, 8, 0.25, 0.35, 0.6)
    found, (still, moving, _) = allowances([(WEAK, STILL), (other, PULLED), (other, PULLED)])
    reading = Reading(Kind.TO_ONE, 3)
    assert (found.pull(still, reading), found.pull(moving, reading)) == (0, 0.3)


def test_a_backdoor_that_answers_to_everything_is_still_more_than_allowed() -> None:
    found, candidates = allowances([(WEAK, ALL)] * 5)
    allowed = found.of(candidates[0], Reading(Kind.TO_ONE, 3))
    assert allowed == pytest.approx(0.55)
    assert excess(1.0, allowed) == 1.0


@pytest.mark.parametrize("kind", [Kind.ANYWHERE, Kind.FROM_ONE])
@pytest.mark.parametrize("after", [STILL, ALL])
def test_what_the_rung_does_not_judge_stays_so(kind: Kind, after: list[int]) -> None:
    found, candidates = allowances([(STRONG, after)])
    reading = Reading(kind) if kind is Kind.ANYWHERE else Reading(kind, 3, 0)
    assert found.of(candidates[0], reading) == 1.0


def test_no_more_than_everything_is_allowed() -> None:
    found, candidates = allowances([(STRONG, ALL)])
    assert found.of(candidates[0], Reading(Kind.TO_ONE, 3)) == 1.0
    assert found.to_one(candidates)[0, 3] == 1.0


def test_one_table_of_all_labels_says_the_same() -> None:
    rows = [(WEAK, PULLED), (WEAK, STILL), (WEAK, ALL), (STRONG, PULLED), (STRONG, ALL)]
    found, candidates = allowances(rows)
    table = found.to_one(candidates)
    assert table.shape == (5, CLASSES)
    for row, candidate in enumerate(candidates):
        for label in range(CLASSES):
            allowed = found.of(candidate, Reading(Kind.TO_ONE, label))
            assert table[row, label] == pytest.approx(allowed)


def test_a_label_that_the_trigger_shows_is_not_judged() -> None:
    """Half a ship blended in may look like a ship to any model."""
    ship = Scene((3, 16, 16), noise_images(1), np.array([3]))
    ghost = Candidate("ghost", WEAK, Ghost().draw(0.1, ship, np.random.default_rng(0)))
    found, _ = allowances([(WEAK, ALL), (WEAK, STILL), (WEAK, STILL)])
    for reading in (Reading(Kind.TO_ONE, 3), Reading(Kind.FROM_ONE, 3, 0)):
        patch = Candidate("patch", WEAK, white_square(0, 0))
        assert found.of(replace(ghost, family="patch"), reading) == 1.0
        assert found.of(patch, reading) == base_allowance(WEAK, reading.kind)
    for reading in (Reading(Kind.TO_ONE, 2), Reading(Kind.ANYWHERE)):
        assert found.of(replace(ghost, family="patch"), reading) < 1
    table = found.to_one([replace(ghost, family="patch")])
    assert table.tolist() == [[0.25, 0.25, 0.25, 1.0]]


def test_only_the_first_images_count() -> None:
    candidate = Candidate("patch", WEAK, white_square(0, 0))
    responses = Responses(OneLabelOracle(CLASSES), noise_images(8), np.array(BEFORE))
    responses.add([candidate.trigger])
    responses.labels[0] = [0, 0, 0, 0, 3, 3, -1, -1]
    found = Allowances(responses, [candidate], np.arange(4))
    assert found.pull(candidate, Reading(Kind.TO_ONE, 3)) == 0
    # None of them is of that class.
    assert found.pull(candidate, Reading(Kind.FROM_ONE, 3, 1)) == 0


@pytest.mark.parametrize(("share", "above"), [(1.0, 1.0), (0.25, 0.0), (0.625, 0.5), (0.0, -1 / 3)])
def test_the_excess_is_one_when_all_move_and_nothing_at_the_allowance(
    share: float, above: float
) -> None:
    assert excess(share, 0.25) == pytest.approx(above)


def test_the_excess_of_many_shares_is_that_of_each() -> None:
    shares, allowed = np.array([[0.0, 0.5], [1.0, 0.5]]), np.array([[0.25], [1.0]])
    np.testing.assert_allclose(excess(shares, allowed), [[-1 / 3, 1 / 3], [-1.0, -1.0]])


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_what_is_not_judged_has_the_lowest_excess(share: float) -> None:
    assert excess(share, 1.0) == -1.0


@reproducible
@given(st.floats(0, 1), st.sampled_from([rung for _, rung in RUNGS]), st.sampled_from(list(Kind)))
def test_an_excess_lies_between_minus_what_is_allowed_and_one(
    share: float, rung: Rung, kind: Kind
) -> None:
    allowed = base_allowance(rung, kind)
    found = float(excess(share, allowed))
    assert found <= 1
    assert (found > 0) is (share > allowed)


def tail(moved: int, asked: int, share: float) -> float:
    return math.fsum(
        math.comb(asked, k) * share**k * (1 - share) ** (asked - k) for k in range(moved, asked + 1)
    )


@reproducible
@given(st.integers(0, 40), st.floats(0, 1), st.data())
def test_the_chance_is_the_binomial_tail(asked: int, allowed: float, data: st.DataObject) -> None:
    moved = data.draw(st.integers(0, asked))
    assert chance(moved, asked, allowed) == pytest.approx(
        tail(moved, asked, allowed), rel=1e-9, abs=1e-300
    )


def test_where_everything_is_allowed_nothing_is_unlikely() -> None:
    assert chance(30, 30, 1.0) == chance(0, 30, 1.0) == 1.0
    assert chance(0, 0, 0.25) == chance(0, 30, 0.25) == 1.0
