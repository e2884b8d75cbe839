import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.lab.table.rates import auroc, auroc_with_interval, share, true_positive_rate


def test_auroc_is_that_of_the_library_with_ties() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        clean, attacked = rng.integers(0, 6, 9) / 1.0, rng.integers(2, 8, 7) / 1.0
        truth = [0] * 9 + [1] * 7
        assert auroc(clean, attacked) == pytest.approx(
            roc_auc_score(truth, [*clean, *attacked]), abs=1e-12
        )


def test_the_interval_covers_the_true_area() -> None:
    """Normal scores one deviation apart have an area of .760."""
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        estimate = auroc_with_interval(rng.normal(size=30), rng.normal(1, size=30), rng)
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low <= estimate.value <= estimate.high
        covered += estimate.low <= 0.7602 <= estimate.high
    assert covered >= 50


def test_the_interval_follows_from_the_seed() -> None:
    scores = [0.0, 0.2, 0.4], [0.1, 0.5, 0.6, 0.7]
    one, again, other = (
        auroc_with_interval(*scores, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert one == again
    assert one.value == other.value
    assert (one.clean, one.attacked) == (3, 4)


def test_a_single_model_has_no_interval() -> None:
    estimate = auroc_with_interval([0.0, 1.0], [0.5], np.random.default_rng(0))
    assert (estimate.value, estimate.low, estimate.high) == (0.5, None, None)


@pytest.mark.parametrize(("clean", "allowed"), [(19, 0.0), (20, 0.05), (39, 0.05), (40, 0.05)])
def test_the_rate_is_taken_where_few_enough_clean_models_lie_above(
    clean: int, allowed: float
) -> None:
    scores = np.arange(clean, dtype=np.float64)
    # One attacked model between each pair of clean ones, and one above all.
    found = true_positive_rate(scores, scores + 0.5, 0.05)
    above = round(found * clean) - 1
    assert above / clean <= 0.05 < (above + 1) / clean
    assert above == round(allowed * (clean // 20) * 20)


def test_scores_equal_to_the_threshold_are_not_found() -> None:
    assert true_positive_rate([1.0] * 20, [1.0, 2.0], 0.05) == 0.5


def test_a_share_has_its_exact_interval() -> None:
    low, high = share(1, 20)
    assert (low, high) == pytest.approx((0.001265, 0.248733), abs=1e-6)
    with pytest.raises(ValueError, match="at least one"):
        share(0, 0)
