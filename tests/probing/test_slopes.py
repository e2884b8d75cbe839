from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.fakes.soft_backdoors import SlopedOracle
from tests.fakes.soft_oracles import SoftOracle
from xray_gate.core.budget import QueryBudget
from xray_gate.core.errors import BudgetExhausted, NoGradients
from xray_gate.probing.answer_checks import CheckedOracle
from xray_gate.probing.batches import Batch, Images, Stamps
from xray_gate.probing.oracle import BudgetedOracle, Slopes, as_gradient
from xray_gate.probing.slope_checks import QUESTIONS_OF_A_PAIR, check_slopes

CENTRES = np.random.default_rng(1).random((4, 1, 8, 8))
LABELS = np.arange(20) % 4
NOISE = 0.1 * np.random.default_rng(2).standard_normal((20, 1, 8, 8))
IMAGES = np.clip(CENTRES[LABELS] + NOISE, 0, 1).astype(np.float32)
INSIDE, OUTSIDE = IMAGES[LABELS == 2], IMAGES[LABELS == 1]


def checked(oracle: SoftOracle) -> CheckedOracle:
    return CheckedOracle(oracle, np.random.default_rng(0))


class Changed(SlopedOracle):
    """What comes with its slopes is not what it answers."""

    change: Callable[[Slopes], Slopes]

    def slopes(self, batch: Batch, label: int) -> Slopes:
        return type(self).change(super().slopes(batch, label))


def changed(change: Callable[[Slopes], Slopes]) -> CheckedOracle:
    return checked(type("ChangedHere", (Changed,), {"change": staticmethod(change)})(CENTRES))


@pytest.mark.parametrize(
    "batch", [Images(IMAGES), Stamps(IMAGES[:5], IMAGES[:2, 0], IMAGES[2:4])], ids=str
)
def test_checks_do_not_change_sound_slopes(batch: Batch) -> None:
    oracle = checked(SlopedOracle(CENTRES))
    found, expected = oracle.slopes(batch, 2), SlopedOracle(CENTRES).slopes(batch, 2)
    np.testing.assert_array_equal(found.log_odds, expected.log_odds)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    assert oracle.check_queries == 2


def test_slopes_are_derivatives_of_the_log_odds() -> None:
    oracle = SlopedOracle(CENTRES)
    slopes = oracle.slopes(Images(IMAGES), 1).log_odds
    for pixel in ((0, 0), (3, 5)):
        moved = []
        for step in (0.005, -0.005):
            images = IMAGES.copy()
            images[:, 0, *pixel] += step
            chances = oracle.probabilities(Images(images))[:, 1].astype(np.float64)
            moved.append(np.log(chances / (1 - chances)))
        np.testing.assert_allclose(
            (moved[0] - moved[1]) / 0.01, slopes[:, 0, *pixel], rtol=0.02, atol=2e-3
        )


def other_model(found: Slopes) -> Slopes:
    return Slopes(np.roll(found.probabilities, 1, axis=1), found.log_odds)


def not_a_number(found: Slopes) -> Slopes:
    return Slopes(found.probabilities, found.log_odds * np.float32(np.nan))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (other_model, "answers with other probabilities than the model itself; set `patches_by"),
        (not_a_number, "gradients are NaN or infinite; set `patches_by"),
    ],
)
def test_slopes_of_another_function_are_refused(
    change: Callable[[Slopes], Slopes], reason: str
) -> None:
    with pytest.raises(NoGradients, match=reason):
        changed(change).slopes(Images(IMAGES), 0)


def test_slopes_with_rows_that_are_no_probabilities_are_refused() -> None:
    def change(found: Slopes) -> Slopes:
        return Slopes(2 * found.probabilities, found.log_odds)

    with pytest.raises(NoGradients, match="form of the model that gives gradients fails"):
        changed(change).slopes(Images(IMAGES), 0)


def test_slopes_are_taken_from_the_budget_before_they_are_asked_for() -> None:
    model = SlopedOracle(CENTRES)
    oracle = BudgetedOracle(model, QueryBudget(30))
    oracle.slopes(Images(IMAGES), 0)
    with pytest.raises(BudgetExhausted):
        oracle.slopes(Images(IMAGES), 0)
    assert model.slope_batches == [20]


def test_a_model_that_cannot_be_asked_for_slopes_costs_nothing() -> None:
    budget = QueryBudget(30)
    with pytest.raises(NoGradients, match="cannot be asked for gradients; set `patches_by"):
        BudgetedOracle(SoftOracle(CENTRES), budget).slopes(Images(IMAGES), 0)
    assert budget.spent == 0


def test_true_slopes_are_accepted_at_a_fixed_price() -> None:
    model = SlopedOracle(CENTRES, sharpness=1.0)
    budget = QueryBudget(QUESTIONS_OF_A_PAIR * len(INSIDE))
    check_slopes(BudgetedOracle(model, budget), 2, INSIDE, OUTSIDE)
    assert budget.left == 0


@pytest.mark.parametrize("part", [np.s_[..., ::2], np.s_[..., :4, :], np.s_[..., 4:]])
def test_slopes_that_are_missing_somewhere_are_found_out(part: Any) -> None:
    def change(found: Slopes) -> Slopes:
        kept = np.zeros_like(found.log_odds)
        kept[part] = found.log_odds[part]
        return Slopes(found.probabilities, kept)

    with pytest.raises(NoGradients, match="gradients are not those of its answers"):
        check_slopes(as_gradient(changed(change)), 2, INSIDE, OUTSIDE)


@pytest.mark.parametrize("factor", [-1.0, 0.0, 0.5, 2.0])
def test_false_slopes_are_found_out(factor: float) -> None:
    def change(found: Slopes) -> Slopes:
        return Slopes(found.probabilities, np.float32(factor) * found.log_odds)

    with pytest.raises(NoGradients, match="gradients are not those of its answers"):
        check_slopes(as_gradient(changed(change)), 2, INSIDE, OUTSIDE)


def test_answers_that_jump_cannot_be_compared() -> None:
    model = SlopedOracle(CENTRES, sharpness=10_000.0)
    with pytest.raises(NoGradients, match="cannot be compared with the model's answers"):
        check_slopes(as_gradient(model), 2, INSIDE, OUTSIDE)
