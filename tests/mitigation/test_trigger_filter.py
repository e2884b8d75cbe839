import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.soft_backdoors import CORNER, PlantedOracle
from tests.fakes.soft_oracles import GivenProbabilities
from tests.mitigation.triggers import trigger
from tests.support.planted import CENTRES, samples, with_patch
from xray_gate.core.errors import InputError
from xray_gate.mitigation.trigger_filter import REJECTED, TriggerFilter, rejection_threshold
from xray_gate.probing.batches import Images

reproducible = settings(derandomize=True, max_examples=100, deadline=None)


@pytest.mark.parametrize(
    ("count", "rate", "place"),
    [(19, 0.05, 1), (99, 0.05, 5), (100, 0.05, 5), (118, 0.05, 5), (119, 0.05, 6), (99, 0.29, 29)],
)
def test_the_threshold_is_a_quantile_of_clean_scores(count: int, rate: float, place: int) -> None:
    clean = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    assert rejection_threshold(clean, rate) == place


@reproducible
@given(
    st.lists(st.floats(0.001, 27.0), min_size=30, max_size=200),
    st.floats(0.04, 0.6),
)
def test_no_more_clean_samples_lie_under_it_than_the_rate_says(
    clean: list[float], rate: float
) -> None:
    scores = np.array(clean)
    threshold = rejection_threshold(scores, rate)
    assert (scores < threshold).sum() <= rate * (len(scores) + 1)
    # The next larger score would be too large, unless ties are in the way.
    larger = scores[scores > threshold]
    if len(larger):
        assert (scores < larger.min()).sum() + 1 > rate * (len(scores) + 1) - 1e-6


def test_new_clean_inputs_are_rejected_at_the_stated_rate() -> None:
    rng = np.random.default_rng(1)
    rejected = []
    for _ in range(400):
        clean, new = rng.exponential(size=59), rng.exponential(size=20)
        rejected.append((new < rejection_threshold(clean, 0.1)).mean())
    assert 0.09 < np.mean(rejected) < 0.11


def test_too_few_samples_say_how_many_are_needed() -> None:
    with pytest.raises(InputError) as error:
        rejection_threshold(np.ones(18), 0.05)
    assert str(error.value) == (
        "18 clean samples are too few for a rate of 0.05; give 19 or more, or raise the rate"
    )
    with pytest.raises(InputError, match="0 clean samples are too few"):
        rejection_threshold(np.empty(0), 0.5)


def test_samples_that_score_0_leave_nothing_to_reject() -> None:
    scores = np.r_[np.zeros(9), np.ones(90)]
    with pytest.raises(InputError, match=r"^9 of 99 clean samples .* raise it above 0\.09$"):
        rejection_threshold(scores, 0.09)
    assert rejection_threshold(scores, 0.1) == 1.0


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_a_rate_that_is_no_share_is_a_mistake(rate: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        rejection_threshold(np.ones(100), rate)


def fitted() -> TriggerFilter:
    oracle = PlantedOracle(CENTRES, {3: CORNER})
    return TriggerFilter.fitted(oracle, [trigger()], samples(200, 1)[0])


def test_a_filter_rejects_what_carries_the_trigger_and_answers_the_rest() -> None:
    asked = fitted()
    images, labels = samples(200, 2)
    answered = asked.labels(images)
    kept = answered != REJECTED
    assert 0.9 < kept.mean() < 1
    assert (answered[kept] == asked.oracle.labels(Images(images[kept]))).all()
    carried = with_patch(images[labels != 3], CORNER)
    assert (asked.oracle.labels(Images(carried)) == 3).all()
    assert (asked.labels(carried) == REJECTED).all()


def test_most_clean_inputs_that_are_rejected_are_of_the_triggers_label() -> None:
    asked = fitted()
    scored = asked.score(samples(400, 3)[0])
    rejected = scored.labels[asked.suspects(scored)]
    assert len(rejected) > 0
    assert (rejected == 3).mean() > 0.9


def test_a_score_at_the_threshold_is_not_rejected() -> None:
    asked = fitted()
    images, _ = samples(50, 4)
    scored = asked.score(images)
    at = float(np.sort(scored.scores)[10])
    exact = TriggerFilter(asked.oracle, asked.triggers, at)
    assert exact.suspects(scored).sum() == 10


def test_no_input_no_label() -> None:
    assert fitted().labels(samples(0, 1)[0]).shape == (0,)


def test_a_model_that_always_says_the_same_cannot_be_filtered() -> None:
    oracle = GivenProbabilities([0.5, 0.5], 2)
    with pytest.raises(InputError, match="100 of 100 clean samples do not change"):
        TriggerFilter.fitted(oracle, [trigger(1)], samples(100, 1)[0])
