import numpy as np
import pytest

from tests.fakes.oracles import OneLabelOracle
from tests.fakes.soft_oracles import (
    BatchScaledSoftOracle,
    GivenProbabilities,
    NoisySoftOracle,
    SoftOracle,
    TwoFacedOracle,
)
from tests.probing.asking import CENTRES, images, rng, stamps
from xray_gate.core.budget import QueryBudget
from xray_gate.core.errors import BudgetExhausted, ModelAnswerError
from xray_gate.probing.answer_checks import CheckedOracle
from xray_gate.probing.batches import FloatArray, Images, LabelArray, Stamps
from xray_gate.probing.oracle import (
    BudgetedOracle,
    HardLabelOracle,
    SoftLabelOracle,
    as_soft,
    is_soft,
)


def test_repeats_labels_and_one_row_alone_are_asked_and_counted() -> None:
    oracle = SoftOracle(CENTRES)
    checked = CheckedOracle(oracle, rng(), repeats=5)
    checked.probabilities(images(10))
    checked.probabilities(images(1))
    assert oracle.soft_batches == [15, 1, 6, 1]
    assert oracle.batches == [5, 5]
    assert checked.check_queries == 2 * (5 + 5 + 1)


def test_stamps_are_asked_as_stamps() -> None:
    class Recorder(SoftOracle):
        seen: list[object]

        def probabilities(self, batch: object) -> FloatArray:
            self.seen.append(batch)
            assert isinstance(batch, Stamps)
            return super().probabilities(batch)

    oracle = Recorder(CENTRES)
    oracle.seen = []
    CheckedOracle(oracle, rng()).probabilities(stamps())
    assert [type(batch) for batch in oracle.seen] == [Stamps, Stamps]


def test_hidden_repeats_notice_probabilities_that_change() -> None:
    """Too little to move a label, too much for rounding."""
    oracle = NoisySoftOracle(CENTRES, rng(), noise=0.1)
    between = Images((0.4 * CENTRES + 0.6 * CENTRES.mean(axis=0)).astype(np.float32))
    for _ in range(100):
        assert oracle.labels(between).tolist() == [0, 1, 2, 3]
    with pytest.raises(ModelAnswerError, match=r"other probabilities for \d of 8 images repeated"):
        CheckedOracle(oracle, rng()).probabilities(between)


def test_what_half_precision_rounds_is_no_disagreement() -> None:
    oracle = NoisySoftOracle(CENTRES, rng(), noise=0.005)
    assert CheckedOracle(oracle, rng()).probabilities(images()).shape == (40, 4)


def test_one_row_alone_notices_a_scale_over_the_batch() -> None:
    class LabelsAlone(BatchScaledSoftOracle):
        """Its labels agree with its probabilities, in whatever batch they are asked."""

        _last: FloatArray

        def _answer(self, images: FloatArray) -> LabelArray:
            return np.full(len(images), int(self._last.mean(axis=0).argmax()))

        def _soft_answer(self, images: FloatArray) -> FloatArray:
            self._last = super()._soft_answer(images)
            return self._last

    single = Images(np.repeat(CENTRES[:1], 20, axis=0).astype(np.float32))
    with pytest.raises(ModelAnswerError, match="other probabilities for 1 of 1 images asked for a"):
        CheckedOracle(LabelsAlone(CENTRES), rng()).probabilities(single)


@pytest.mark.parametrize("lie", ["labels", "probabilities"])
def test_honest_labels_do_not_cover_false_probabilities_nor_the_reverse(lie: str) -> None:
    checked = CheckedOracle(TwoFacedOracle(CENTRES, lie), rng())
    with pytest.raises(ModelAnswerError, match=r"not the one of the largest.* \d of 8.*hostile"):
        checked.probabilities(images())


def test_a_tie_that_rounding_turns_is_no_lie() -> None:
    row = [0.4999, 0.5001, 0, 0]
    found = CheckedOracle(GivenProbabilities(row, 4), rng()).probabilities(images())
    np.testing.assert_array_equal(found, np.tile(np.array(row, np.float32), (40, 1)))
    with pytest.raises(ModelAnswerError, match="not the one of the largest"):
        CheckedOracle(GivenProbabilities([0.48, 0.52, 0, 0], 4), rng()).probabilities(images())


@pytest.mark.parametrize(
    ("oracle", "message"),
    [
        (GivenProbabilities([np.nan, 1, 0, 0], 4), "NaN or infinite; check its weights"),
        (GivenProbabilities([np.inf, 0, 0, 0], 4), "NaN or infinite"),
        (GivenProbabilities([1.2, -0.2, 0, 0], 4), "from -0.2 to 1.2 whose sums.*set `outputs"),
        (GivenProbabilities([1, 1, 0, 0], 4), "sums go from 2 to 2; set `outputs: logits`"),
        (GivenProbabilities([0.5, 0, 0, 0], 4), "sums go from 0.5 to 0.5"),
        (GivenProbabilities([0.5, 0.5], 4), r"48 questions.*shape \(48, 2\).*4 classes"),
        (GivenProbabilities([1, 0, 0, 0], 4, rows=47), r"shape \(47, 4\)"),
        (GivenProbabilities([1, 0, 0, 0], 4, rows=49), r"shape \(49, 4\)"),
    ],
)
def test_answers_that_are_no_probabilities_are_refused(
    oracle: SoftLabelOracle, message: str
) -> None:
    with pytest.raises(ModelAnswerError, match=message):
        CheckedOracle(oracle, rng()).probabilities(images(40))


def test_labels_are_checked_as_before_and_ask_for_no_probabilities() -> None:
    oracle = SoftOracle(CENTRES)
    CheckedOracle(oracle, rng()).labels(images())
    assert (oracle.batches, oracle.soft_batches) == ([48], [])


def test_probabilities_cost_what_labels_cost() -> None:
    budget, oracle = QueryBudget(50), SoftOracle(CENTRES)
    budgeted = BudgetedOracle(oracle, budget)
    assert budgeted.soft
    expected = SoftOracle(CENTRES).probabilities(stamps())
    np.testing.assert_array_equal(budgeted.probabilities(stamps()), expected)
    assert budget.spent == len(stamps()) == 30
    budgeted.labels(images(10))
    with pytest.raises(BudgetExhausted, match=r"11 more queries.*10 of 50 are left"):
        budgeted.probabilities(images(11))
    assert oracle.queries == budget.spent == 40
    budgeted.probabilities(images(10))
    assert budget.left == 0


def test_a_model_of_labels_has_no_probabilities_through_any_layer() -> None:
    budget = QueryBudget(50)
    hard = OneLabelOracle(4)
    checked = CheckedOracle(hard, rng())
    layers: list[HardLabelOracle] = [hard, checked, BudgetedOracle(checked, budget)]
    for layer in layers:
        assert not is_soft(layer)
        with pytest.raises(ModelAnswerError, match="gives labels, not probabilities; export it"):
            as_soft(layer)
    for layer in layers[1:]:
        assert isinstance(layer, SoftLabelOracle)
        with pytest.raises(ModelAnswerError, match="gives labels"):
            layer.probabilities(images())
    assert (budget.spent, hard.queries) == (0, 0)
