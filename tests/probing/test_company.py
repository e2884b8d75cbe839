"""Questions in other company: hostile models are found, honest ones never."""

import numpy as np
import pytest

from tests.fakes.lying_oracles import (
    BehavingOracle,
    ByEachImageOracle,
    ProbedOracle,
    RoundingOracle,
    TurningOracle,
    further_for,
    one_further,
)
from tests.fakes.oracles import FakeOracle, RegionsOracle
from tests.fakes.soft_oracles import SoftOracle
from tests.probing.asking import rng
from xray_gate.core.errors import ModelAnswerError
from xray_gate.core.evidence import AnswerFacts, WayOfAsking
from xray_gate.probing.answer_checks import CheckedOracle
from xray_gate.probing.batches import Batch, Images, JoinedPlanes, PlanePoints, Stamps
from xray_gate.probing.clean_rows import CleanSamples
from xray_gate.probing.company import suspicion
from xray_gate.probing.oracle import HardLabelOracle
from xray_gate.probing.planes import plane_through

CENTRES = np.random.default_rng(1).random((4, 1, 4, 4)).astype(np.float32)
LABELS = np.arange(100, dtype=np.int64) % 4
NEAR = rng(3).normal(0, 0.01, (100, 1, 4, 4)).astype(np.float32)
CLEAN = CleanSamples(np.clip(CENTRES[LABELS] + NEAR, 0, 1), LABELS)
NONE = WayOfAsking(0, 0, 0)


def plane(first: int = 0, size: int = 20, *, clip: bool = False) -> PlanePoints:
    return plane_through(CLEAN.images[first : first + 3]).points(size, 5.0, clip)


def noise(count: int, seed: int = 0) -> Images:
    return Images(rng(seed).random((count, 1, 4, 4)).astype(np.float32) * 2 - 0.5)


def stamps() -> Stamps:
    return Stamps(CLEAN.images[:10], rng(4).random((20, 4, 4), np.float32), noise(20).pixels % 1)


def probed(oracle: HardLabelOracle, *batches: Batch, seed: int = 0) -> AnswerFacts:
    """What is found out where a detector asks for the labels of `batches`."""
    checked = CheckedOracle(oracle, rng(seed), clean=CLEAN)
    for batch in batches:
        checked.labels(batch)
    checked.compare()
    assert checked.facts is not None
    return checked.facts


PLANES = tuple(plane(first, clip=first % 2 == 0) for first in range(8))


def test_an_honest_model_answers_alike() -> None:
    facts = probed(RegionsOracle(CENTRES), *PLANES, noise(200), stamps())
    assert facts.clean_among_probing == WayOfAsking(8 * 5 + 3 + 3, 0, 0)
    assert facts.probing_among_clean == WayOfAsking(3 * 32, 0, 0)
    assert suspicion(facts) is None


@pytest.mark.parametrize(
    "batches", [PLANES, (noise(200),), (stamps(),)], ids=["planes", "images", "stamps"]
)
def test_lies_about_clean_samples_among_probe_points_are_found(batches: tuple[Batch, ...]) -> None:
    """Every clean row in a batch that looks probed gets another label: one would be enough."""
    facts = probed(ProbedOracle(CENTRES, one_further), *batches)
    asked = sum(1 + len(batch) // 100 for batch in batches)
    assert facts.clean_among_probing == WayOfAsking(asked, asked, 0)
    said = suspicion(facts)
    assert said is not None
    assert (
        f"answers clean images differently when they stand among probe points: {asked} of" in said
    )
    assert said.endswith("scan again")


@pytest.mark.parametrize(
    "batches", [PLANES, (noise(200),), (stamps(),)], ids=["planes", "images", "stamps"]
)
def test_points_that_change_among_clean_samples_are_found(batches: tuple[Batch, ...]) -> None:
    """Clean samples have one label in either company, so that only the points tell.

    Three of four probe points have another label in the honest answers: the chance that none of
    32 has is 0.25 ** 32, 5e-20.
    """
    facts = probed(BehavingOracle(CENTRES), *batches)
    assert facts.clean_among_probing.disagreed == 0
    assert facts.probing_among_clean.asked == 32
    assert facts.probing_among_clean.rounded == 0
    assert facts.probing_among_clean.disagreed >= 12
    said = suspicion(facts)
    assert said is not None
    assert "the model answers probe points differently when they stand among clean images" in said


@pytest.mark.parametrize("share", [0.26, 0.4, 0.6, 0.8, 0.9])
def test_it_is_found_at_whatever_share_of_a_batch_it_begins_to_behave(share: float) -> None:
    """From a quarter on, which is what a batch of clean samples holds of points at most."""
    assert probed(BehavingOracle(CENTRES, share), *PLANES).probing_among_clean.held > 0


def test_the_chance_to_be_missed_is_that_of_the_binomial() -> None:
    """A model that lies about a part s of all clean images where a batch looks probed.

    A batch of m questions holds k = 1 + m // 100 clean samples, drawn anew for each batch. With n
    batches none of them is in the part with a chance of (1 - s) ** (k * n). Here m = 100, n = 10,
    s = 0.1: 0.9 ** 20 = 0.122 of the scans miss it, 24 of 200, give or take 4.6.
    """
    missed, part = 0, 0.1
    lie = further_for(part)
    lied = (lie(CLEAN.images, LABELS) != LABELS).mean()
    for seed in range(200):
        checked = CheckedOracle(ProbedOracle(CENTRES, lie), rng(seed), clean=CLEAN)
        for number in range(10):
            checked.labels(noise(100, seed=number))
        assert checked.facts is not None
        assert checked.facts.clean_among_probing.asked == 20
        missed += checked.facts.clean_among_probing.disagreed == 0
    expected = 200 * (1 - lied) ** 20
    assert abs(missed - expected) < 3 * np.sqrt(expected)
    # A scan of 12,000 questions in 40 batches holds 160 clean rows.
    assert (1 - part) ** 160 < 1e-7


def test_planes_ask_for_the_samples_that_they_begin_at() -> None:
    """As many independent clean samples as planes: 20 planes miss what a part s tells with
    (1 - s) ** 20, however many rows of them stand in the batches."""
    seen: set[bytes] = set()

    class Recorder(RegionsOracle):
        def labels(self, batch: Batch) -> np.ndarray:
            seen.update(image.tobytes() for image in batch.images(0, len(batch)))
            return super().labels(batch)

    checked = CheckedOracle(Recorder(CENTRES), rng(), clean=CLEAN)
    checked.labels(JoinedPlanes.join([plane(first, 40) for first in (0, 3, 6)]))
    at_hand = {image.tobytes() for image in CLEAN.images}
    assert seen & at_hand == {CLEAN.images[first].tobytes() for first in (0, 3, 6)}


def test_what_is_asked_for_probabilities_is_compared_as_well() -> None:
    class Behaving(SoftOracle):
        """Sure of label 0 for everything, but for batches of which more than a half is clean."""

        def _scores(self, images: np.ndarray) -> np.ndarray:
            scores = super()._scores(images)
            near = scores.max(axis=1) > -1
            far = np.where(near[:, None], scores, [1000.0, 0, 0, 0])
            return scores if near.mean() < 0.5 else far

    checked = CheckedOracle(Behaving(CENTRES), rng(), clean=CLEAN)
    checked.probabilities(noise(300))
    checked.probabilities(stamps())
    checked.compare()
    assert checked.facts is not None
    assert checked.facts.clean_among_probing == WayOfAsking(4 + 3, 0, 0)
    assert checked.facts.probing_among_clean.asked == 64
    assert checked.facts.probing_among_clean.held > 15


def test_probabilities_of_clean_samples_must_fit_their_labels() -> None:
    class Lying(SoftOracle):
        def _scores(self, images: np.ndarray) -> np.ndarray:
            scores = super()._scores(images)
            return np.roll(scores, 1, axis=1) if (scores.max(axis=1) < -1).mean() > 0.5 else scores

    checked = CheckedOracle(Lying(CENTRES), rng(), clean=CLEAN)
    # Alone, a question looks probed as well, so nothing but the clean samples tells.
    checked.probabilities(noise(300))
    assert checked.facts is not None
    assert checked.facts.clean_among_probing == WayOfAsking(4, 4, 0)


def test_an_honest_model_is_never_accused_for_its_rounding() -> None:
    """Half precision turns labels next to a boundary with the size of a batch; here often."""
    between = (CENTRES[0] + CENTRES[1]) / 2
    close = between + rng(5).normal(0, 3e-5, (8, 1, 4, 4)).astype(np.float32)
    batch = Images(np.concatenate([noise(32).pixels, close]))
    turned = 0
    for seed in range(20):
        facts = probed(RoundingOracle(CENTRES, 1e-3), *PLANES, batch, seed=seed)
        turned += facts.probing_among_clean.disagreed
        assert suspicion(facts) is None, (seed, facts)
        assert facts.clean_among_probing.held == facts.probing_among_clean.held == 0
    assert turned > 20


def test_a_sample_that_lies_on_a_boundary_is_put_down_to_rounding() -> None:
    between = (CENTRES[0] + CENTRES[1]) / 2
    images = np.concatenate([CLEAN.images, between[None]])
    rounding = RoundingOracle(CENTRES, 1e-2)
    labels = rounding.labels(Images(images))
    for seed in range(10):
        checked = CheckedOracle(rounding, rng(seed), clean=CleanSamples(images, labels))
        for count in range(300, 320):
            checked.labels(noise(count))
        checked.compare()
        assert checked.facts is not None
        clean = checked.facts.clean_among_probing
        assert clean.rounded == clean.disagreed
        assert suspicion(checked.facts) is None


def test_what_changed_over_time_is_not_put_down_to_rounding() -> None:
    """It is alike in any company afterwards, but the old labels are nowhere near.

    Its clean samples keep their labels, so that the recheck says nothing.
    """
    facts = probed(TurningOracle(CENTRES, queries_until=1500), *PLANES)
    assert facts.clean_among_probing.disagreed == 0
    assert facts.probing_among_clean.held >= 5


def test_what_judges_every_image_by_itself_is_not_found() -> None:
    """The limit of all this: there is no company to tell (docs/threat-model.md)."""
    assert suspicion(probed(ByEachImageOracle(CENTRES), *PLANES)) is None


def test_clean_samples_that_changed_for_good_are_an_error() -> None:
    class Changing(RegionsOracle):
        def _answer(self, images: np.ndarray) -> np.ndarray:
            labels = super()._answer(images)
            return 3 - labels if self.queries > 1000 else labels

    with pytest.raises(ModelAnswerError, match="asked for again in another order"):
        probed(Changing(CENTRES), plane(), noise(500))


def test_without_questions_the_clean_samples_are_asked_again() -> None:
    oracle = RegionsOracle(CENTRES)
    facts = probed(oracle)
    assert oracle.batches == [100]
    assert facts == AnswerFacts(100, NONE, NONE)


def test_without_clean_samples_nothing_is_mixed() -> None:
    oracle = RegionsOracle(CENTRES)
    checked = CheckedOracle(oracle, rng())
    checked.labels(noise(100))
    checked.compare()
    assert oracle.batches == [108]
    assert checked.facts is None


def test_all_that_is_asked_beside_the_detectors_is_counted() -> None:
    oracle = RegionsOracle(CENTRES)
    facts = probed(oracle, plane(), noise(200))
    assert facts.check_queries == oracle.queries - 400 - 200
    # 64 points need two batches of clean samples, at least three to one.
    assert oracle.batches == [400 + 8 + 5, 200 + 8 + 3, 132, 132]


def test_it_costs_little() -> None:
    """At most 2 % on top of the hidden repeats, in a scan of the usual size."""
    batches = [plane(first, 100) for first in range(2)] + [noise(1000, seed=n) for n in range(10)]
    with_it, without = RegionsOracle(CENTRES), RegionsOracle(CENTRES)
    probed(with_it, *batches)
    repeated = CheckedOracle(without, rng())
    for batch in batches:
        repeated.labels(batch)
    own = sum(map(len, batches))
    # The recheck after the detectors is among the batches of clean samples.
    assert with_it.queries - without.queries - len(CLEAN) < 0.02 * own


def test_every_kind_of_question_is_remembered_however_many_there_are_of_another() -> None:
    class Recorder(FakeOracle):
        def _answer(self, images: np.ndarray) -> np.ndarray:
            self.last = images
            return np.zeros(len(images), np.int64)

    oracle = Recorder(1)
    checked = CheckedOracle(oracle, rng(), clean=CleanSamples(CLEAN.images, 0 * LABELS))
    many, few = noise(5000), stamps()
    checked.labels(many)
    checked.labels(few)
    checked.compare()
    asked = {image.tobytes() for image in oracle.last}
    asked -= {image.tobytes() for image in CLEAN.images}
    from_few = {image.tobytes() for image in few.images(0, len(few))}
    assert 5 < len(asked & from_few) < len(asked) - 5


def test_remembered_questions_are_drawn_evenly() -> None:
    """Of the ten batches in turn each has the same chance: a fifth at most away from 32."""
    counts = np.zeros(10)

    class Recorder(FakeOracle):
        def _answer(self, images: np.ndarray) -> np.ndarray:
            self.last = images
            return np.zeros(len(images), np.int64)

    for seed in range(100):
        oracle = Recorder(1)
        checked = CheckedOracle(oracle, rng(seed), clean=CleanSamples(CLEAN.images, 0 * LABELS))
        for number in range(10):
            checked.labels(Images(np.full((20, 1, 4, 4), 2.0 + number, np.float32)))
        checked.compare()
        numbers = oracle.last[:, 0, 0, 0] - 2
        counts += np.bincount(numbers[numbers >= 0].astype(int), minlength=10)
    np.testing.assert_allclose(counts, 320, rtol=0.2)
