import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detectors.trigger_sweep.making import Shape, noise_images, scene, with_allowance
from tests.fakes.oracles import OneLabelOracle
from xray_gate.detectors.trigger_sweep.allowances import Allowances
from xray_gate.detectors.trigger_sweep.candidates import Candidate, draw_candidates
from xray_gate.detectors.trigger_sweep.detection_limit import (
    SHARE_OF_TRIALS,
    TRIALS,
    DetectionLimit,
    acting,
    energies,
)
from xray_gate.detectors.trigger_sweep.responses import UNASKED, Responses
from xray_gate.probing.batches import FloatArray

GREY: Shape = (1, 16, 16)
CLASSES = 10
KINDS = ["patch", "pixels", "noise_blend"]

reproducible = settings(derandomize=True, deadline=None, max_examples=60)
seeds = st.integers(0, 2**32 - 1)


def changes(seed: int, shape: Shape) -> FloatArray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@reproducible
@given(seeds, st.sampled_from([(1, 16, 16), (3, 32, 32), (1, 28, 28), (3, 64, 64), (2, 4, 4)]))
def test_the_parts_hold_all_of_a_changes_energy(seed: int, shape: Shape) -> None:
    change = changes(seed, shape)
    parts = energies(change)
    assert parts.shape == (48,)
    assert parts.dtype == np.float32
    assert (parts >= 0).all()
    # Each is a mean over one of sixteen cells.
    assert (parts**2).sum() / 16 == pytest.approx(float(np.mean(change**2)), rel=1e-4)


@reproducible
@given(seeds, st.floats(-8, 8))
def test_energies_grow_with_the_change_and_have_no_sign(seed: int, factor: float) -> None:
    change = changes(seed, (3, 16, 16))
    np.testing.assert_allclose(
        energies(np.float32(factor) * change), abs(factor) * energies(change), rtol=1e-4, atol=1e-6
    )


def test_a_plain_change_has_the_coarsest_scale_only() -> None:
    parts = energies(np.full((3, 32, 32), 0.25, np.float32))
    np.testing.assert_allclose(parts, np.repeat([0.25, 0, 0], 16), atol=1e-7)


def test_blocks_and_single_pixels_have_scales_of_their_own() -> None:
    index = np.arange(32)
    single = np.where(np.add.outer(index, index) % 2, 0.5, -0.5)
    blocks = np.where(np.add.outer(index // 2, index // 2) % 2, 0.5, -0.5)
    for pattern, scale in ((blocks, 1), (single, 2)):
        parts = energies(pattern[None].astype(np.float32)).reshape(3, 16)
        np.testing.assert_allclose(parts[scale], 0.5, atol=1e-6)
        assert np.delete(parts, scale, axis=0).max() < 1e-6


@pytest.mark.parametrize("cell", [0, 5, 15])
def test_a_local_change_stays_in_its_cell(cell: int) -> None:
    change = np.zeros((1, 32, 32), np.float32)
    top, left = 8 * (cell // 4), 8 * (cell % 4)
    change[:, top + 1 : top + 4, left + 2 : left + 7] = 1
    parts = energies(change).reshape(3, 16)
    assert (parts[:, cell] > 0).all()
    assert np.delete(parts, cell, axis=1).max() == 0


def test_what_does_not_divide_is_left_out() -> None:
    change = np.zeros((1, 18, 18), np.float32)
    change[:, 16:] = 1
    assert energies(change).max() == 0


@reproducible
@given(seeds)
def test_acting_is_having_as_much_of_the_same_energy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    own = rng.random((2, 3, 48), dtype=np.float32)
    made = rng.random((5, 2, 3, 48), dtype=np.float32)
    found = acting(own, made)
    assert found.shape == (5, 2, 3)
    assert found.dtype == np.bool_
    for at in np.ndindex(5, 2, 3):
        held = sum(m * o for m, o in zip(made[at], own[at[1:]], strict=True))
        assert found[at] == (held >= sum(o * o for o in own[at[1:]]))


def test_a_change_acts_as_itself_and_so_does_a_stronger_one() -> None:
    own = energies(changes(0, GREY))[None]
    assert acting(own, np.stack([own, 1.01 * own, 0.99 * own])).ravel().tolist() == [
        True,
        True,
        False,
    ]


def test_a_change_elsewhere_or_none_acts_nowhere() -> None:
    here, there = np.zeros((2, 1, 48), np.float32)
    here[0, 3], there[0, 4] = 1, 9
    assert not acting(here, there).any()
    assert not acting(np.zeros((1, 48), np.float32), there).any()


def still(images: FloatArray, candidates: Sequence[Candidate] = ()) -> Responses:
    """What an ideal model says: nothing moves it."""
    before = np.arange(len(images)) % CLASSES
    responses = Responses(OneLabelOracle(CLASSES), images, before)
    responses.add(candidate.trigger for candidate in candidates)
    responses.labels[:] = before
    return responses


def limit(
    candidates: Sequence[Candidate],
    held_out: int = 80,
    families: Sequence[str] = KINDS,
    seed: int = 0,
) -> dict[str, Any]:
    first = np.arange(16)
    swept = still(noise_images(24, GREY), candidates)
    allowances = Allowances(swept, candidates, first)
    made = DetectionLimit(
        swept, first, candidates, allowances, still(noise_images(held_out, GREY, 1)), scene(GREY)
    )
    return made.measure(families, np.random.default_rng(seed))


def drawn(count: int, families: Sequence[str] = KINDS) -> list[Candidate]:
    return draw_candidates(families, count, scene(GREY), np.random.default_rng(0))


def rates(found: dict[str, Any]) -> list[float]:
    return [rate for kind in found["kinds"] for _, rate in kind["rates"]]


@pytest.fixture(scope="module")
def ideal() -> dict[str, Any]:
    return limit(drawn(1200))


def test_on_an_ideal_model_small_patches_and_noise_are_covered(ideal: dict[str, Any]) -> None:
    patches, _, noise = ideal["kinds"]
    assert patches["kind"] == "patch"
    assert patches["smallest"] <= 1 / 16
    assert patches["text"].startswith("patches of 1x1 pixels")
    assert noise["smallest"] <= 0.1 <= noise["largest"]


def test_covered_is_the_longest_run_of_doses_found_often_enough(ideal: dict[str, Any]) -> None:
    for kind in ideal["kinds"]:
        doses = [dose for dose, _ in kind["rates"]]
        often = [rate >= SHARE_OF_TRIALS for _, rate in kind["rates"]]
        runs = [
            (first, last)
            for first in range(len(doses))
            for last in range(first, len(doses))
            if all(often[first : last + 1])
        ]
        if not runs:
            assert (kind["smallest"], kind["largest"], kind["text"]) == (None, None, "")
            continue
        length = max(last - first for first, last in runs)
        assert (doses.index(kind["largest"]) - doses.index(kind["smallest"])) == length
        assert (doses.index(kind["smallest"]), doses.index(kind["largest"])) in runs


def test_rates_are_shares_of_the_trials_at_every_dose(ideal: dict[str, Any]) -> None:
    assert ideal["trials"] == TRIALS
    assert all(0 <= rate <= 1 and (rate * TRIALS) % 1 == pytest.approx(0) for rate in rates(ideal))
    assert len(rates(ideal)) == 6 + 4 + 4
    assert json.loads(json.dumps(ideal, allow_nan=False)) == ideal


@pytest.mark.parametrize("families", [["warp"], ["patch"], ["noise_blend", "ghost", "pixels"]])
@pytest.mark.usefixtures("few_trials")
def test_only_kinds_that_the_sweep_tried_are_measured(families: list[str]) -> None:
    found = limit(drawn(60, families), families=families)
    assert [kind["kind"] for kind in found["kinds"]] == [k for k in KINDS if k in families]


@pytest.mark.usefixtures("few_trials")
def test_where_nothing_is_judged_nothing_is_covered() -> None:
    found = limit(with_allowance(60, 1.0, GREY))
    assert set(rates(found)) == {0.0}
    assert [(kind["smallest"], kind["text"]) for kind in found["kinds"]] == [(None, "")] * 3


@pytest.mark.usefixtures("few_trials")
def test_with_next_to_no_images_to_test_on_nothing_is_covered() -> None:
    found = limit(drawn(60), held_out=2)
    assert set(rates(found)) == {0.0}


def test_more_candidates_find_more(ideal: dict[str, Any]) -> None:
    few, more = limit(drawn(20)), limit(drawn(300))
    assert sum(rates(few)) + 1 < sum(rates(more)) < sum(rates(ideal))


@pytest.mark.usefixtures("few_trials")
def test_no_question_is_asked() -> None:
    candidates = drawn(60)
    oracle = OneLabelOracle(CLASSES)
    swept, held_out = (
        Responses(oracle, noise_images(24, GREY, seed), np.arange(24) % CLASSES) for seed in (0, 1)
    )
    swept.add(candidate.trigger for candidate in candidates)
    first = np.arange(16)
    swept.ask([(row, first) for row in range(len(candidates))])
    asked, labels = oracle.queries, swept.labels.copy()
    allowances = Allowances(swept, candidates, first)
    made = DetectionLimit(swept, first, candidates, allowances, held_out, scene(GREY))
    made.measure(["patch"], np.random.default_rng(0))
    assert oracle.queries == asked
    np.testing.assert_array_equal(swept.labels, labels)
    assert (labels[:, 16:] == UNASKED).all()


@pytest.mark.usefixtures("few_trials")
def test_a_seed_fixes_the_limit() -> None:
    candidates = drawn(60)
    first, again, other = (limit(candidates, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert rates(first) != rates(other)


@pytest.mark.usefixtures("few_trials")
def test_leaving_out_a_kind_does_not_change_the_others() -> None:
    candidates = drawn(60)
    whole = limit(candidates)
    part = limit(candidates, families=["pixels", "noise_blend"])
    assert part["kinds"] == whole["kinds"][1:]


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 24, 32), (1, 28, 28)], ids=str)
@pytest.mark.usefixtures("few_trials")
def test_a_limit_is_measured_for_images_of_any_form(shape: Shape) -> None:
    candidates = draw_candidates(["patch"], 40, scene(shape), np.random.default_rng(0))
    swept = still(noise_images(16, shape), candidates)
    first = np.arange(16)
    made = DetectionLimit(
        swept,
        first,
        candidates,
        Allowances(swept, candidates, first),
        still(noise_images(24, shape, 1)),
        scene(shape),
    )
    (kind,) = made.measure(["patch"], np.random.default_rng(0))["kinds"]
    assert len(kind["rates"]) == 6
