from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from tests.detectors.trigger_sweep.making import (
    from_one,
    next_label,
    noise_images,
    scene,
    to_label,
    white_square,
    with_allowance,
    world,
)
from tests.fakes.backdoors import BackdooredOracle, MovingOracle, Relabel, white_in_the_corner
from tests.fakes.oracles import FakeOracle, OneLabelOracle, RegionsOracle
from xray_gate.detectors.trigger_sweep.candidates import Candidate, draw_candidates
from xray_gate.detectors.trigger_sweep.families.ghosts import Ghost
from xray_gate.detectors.trigger_sweep.families.interface import Rung, Scene
from xray_gate.detectors.trigger_sweep.readings import Kind, Reading
from xray_gate.detectors.trigger_sweep.responses import UNASKED, Responses
from xray_gate.detectors.trigger_sweep.search import Lead, Search, ranked, refinable
from xray_gate.probing.batches import FloatArray, Images, LabelArray

CLASSES = 5
CENTRES, PROBES = world(CLASSES, 8)
FIRST = np.arange(16)
RUNG = Rung(1 / 8, 1, 0.3, 0.4, 0.6)


def nothing() -> None:
    """Progress that nobody watches."""


def sound() -> RegionsOracle:
    return RegionsOracle(CENTRES)


def planted(mapping: Relabel, pixels: int = 4) -> BackdooredOracle:
    return BackdooredOracle(sound(), white_in_the_corner(pixels=pixels), mapping)


def patches(count: int, seed: int = 0) -> list[Candidate]:
    return draw_candidates(["patch"], count, scene(), np.random.default_rng(seed))


def search(oracle: FakeOracle, candidates: Sequence[Candidate]) -> Search:
    made = Search(Responses(oracle, PROBES.images, PROBES.labels), candidates, FIRST)
    made.sweep(nothing)
    return made


def test_a_sweep_asks_about_every_candidate_on_the_first_images() -> None:
    oracle, candidates = sound(), patches(150)
    told: list[int] = []
    made = Search(Responses(oracle, PROBES.images, PROBES.labels), candidates, FIRST)
    made.sweep(lambda: told.append(oracle.queries))
    assert oracle.queries == len(candidates) * len(FIRST)
    assert (made.responses.labels[:, FIRST] != UNASKED).all()
    assert (made.responses.labels[:, len(FIRST) :] == UNASKED).all()
    assert told == sorted(set(told))
    assert (len(told), told[-1]) == (-(-len(candidates) // 64), oracle.queries)


def test_only_the_promising_are_asked_about_on_all_images() -> None:
    oracle, candidates = planted(to_label(3)), patches(200)
    made = search(oracle, candidates)
    before = oracle.queries
    made.leads()
    whole = (made.responses.labels != UNASKED).all(axis=1)
    assert len(candidates) / 8 - 1 <= whole.sum() <= len(candidates) / 8 + 96
    rest = len(PROBES) - len(FIRST)
    assert oracle.queries - before <= (len(candidates) / 8) * rest + 96 * 8


def test_a_planted_trigger_leads_with_its_label() -> None:
    best = search(planted(to_label(3)), patches(250)).leads()[0]
    assert best.reading == Reading(Kind.TO_ONE, 3)
    assert (best.moved, best.asked, best.share) == (32, 32, 1.0)
    stamped = best.candidate.trigger.stamp(PROBES.images)
    assert white_in_the_corner()(stamped).all()


def test_a_planted_rotation_of_the_labels_leads_as_all_to_all() -> None:
    best = search(planted(next_label(CLASSES)), patches(250)).leads()[0]
    assert best.reading == Reading(Kind.ANYWHERE)
    assert (best.moved, best.asked) == (40, 40)


def test_a_trigger_for_one_class_leads_with_source_and_label() -> None:
    candidates = [*with_allowance(200, 0.6), Candidate("patch", RUNG, white_square(12, 12, 4))]
    best = search(planted(from_one(2, 4), pixels=1), candidates).leads()[0]
    assert best.reading == Reading(Kind.FROM_ONE, 4, 2)
    assert (best.moved, best.asked) == (8, 8)


def test_a_class_that_moves_whatever_is_stamped_does_not_hide_another() -> None:
    everywhere = BackdooredOracle(
        planted(from_one(2, 4)), lambda images: np.ones(len(images), np.bool_), from_one(0, 1)
    )
    candidates = [*with_allowance(200, 0.3), Candidate("patch", RUNG, white_square(12, 12, 4))]
    found = [lead for lead in search(everywhere, candidates).leads() if lead.share == 1]
    assert (200, Reading(Kind.FROM_ONE, 4, 2)) in [(lead.row, lead.reading) for lead in found]


def test_leads_come_with_the_least_likely_first() -> None:
    found = search(planted(to_label(3)), patches(200)).leads()
    keys = [(lead.chance, lead.candidate.rung.dose) for lead in found]
    assert keys == sorted(keys)
    assert {lead.reading.kind for lead in found} == set(Kind)


def test_a_lead_was_asked_about_on_all_images_that_it_concerns() -> None:
    made = search(planted(to_label(3)), patches(200))
    for lead in made.leads():
        labels = made.responses.labels[lead.row]
        eligible = lead.reading.eligible(PROBES.labels)
        fires = white_in_the_corner()(lead.candidate.trigger.stamp(PROBES.images))
        assert lead.asked == eligible.sum() > 0
        assert (labels[eligible] != UNASKED).all()
        assert (labels[eligible & fires] == 3).all()


def test_of_equals_the_first_drawn_are_kept_in_their_order() -> None:
    candidates = with_allowance(100, 0.3)
    found = search(OneLabelOracle(CLASSES), candidates).leads()
    broad = [lead.row for lead in found if lead.reading.kind is Kind.ANYWHERE]
    assert broad == list(range(12))


def test_a_search_is_the_same_again() -> None:
    first, again = (search(planted(from_one(1, 2)), patches(120, seed=3)).leads() for _ in range(2))
    assert [(lead.row, lead.reading, lead.moved) for lead in first] == [
        (lead.row, lead.reading, lead.moved) for lead in again
    ]


@pytest.mark.parametrize("backdoor", [False, True])
def test_no_class_is_said_to_move_to_its_own_label(backdoor: bool) -> None:
    oracle = planted(to_label(3)) if backdoor else sound()
    leads = search(oracle, patches(120)).leads()
    pairs = [lead.reading for lead in leads if lead.reading.kind is Kind.FROM_ONE]
    assert pairs
    assert all(reading.source != reading.label for reading in pairs)


def ghosts(labels: Sequence[int], count: int = 12) -> list[Candidate]:
    """Ghosts of the centres with these labels."""
    pool = Scene(PROBES.images.shape[1:], CENTRES[list(labels)], np.array(labels))
    rung, rng = Rung(0.5, 1, 0.3, 0.4, 0.6), np.random.default_rng(0)
    return [Candidate("ghost", rung, Ghost().draw(0.5, pool, rng)) for _ in range(count)]


def test_a_ghost_that_moves_images_to_what_it_shows_leads_nowhere() -> None:
    made = search(sound(), [*ghosts([2]), *with_allowance(20, 0.3)])
    assert (made.responses.labels[0, FIRST] == 2).sum() > len(FIRST) / 2
    everywhere = [lead for lead in made.leads() if lead.candidate.family == "ghost"]
    assert everywhere
    for lead in everywhere:
        assert lead.reading.label != 2
        if lead.reading.kind is not Kind.ANYWHERE:
            assert lead.share < lead.allowance


def test_a_ghost_that_moves_images_elsewhere_leads_there() -> None:
    shown = ghosts([2])
    near = BackdooredOracle(sound(), lambda images: near_half_of(CENTRES[2], images), to_label(4))
    best = search(near, [*with_allowance(20, 0.3), *shown]).leads()[0]
    assert (best.candidate.family, best.reading) == ("ghost", Reading(Kind.TO_ONE, 4))
    assert best.share > 0.8


def near_half_of(image: FloatArray, images: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether at least four tenths of what varies in each image are `image`'s."""
    own = (image - image.mean()).ravel()
    inside = (images - 0.5).reshape(len(images), -1) @ own / (own @ own)
    return np.asarray(inside > 0.4, np.bool_)


def test_refinement_never_shows_what_it_leads_to() -> None:
    made = search(OneLabelOracle(CLASSES, 1), ghosts(range(CLASSES)))
    for row, candidate in enumerate(made.candidates[:6]):
        for label in set(range(CLASSES)) - candidate.trigger.shows:
            lead = made.lead(row, Reading(Kind.TO_ONE, label))
            refined = made.refine(lead, 480, np.random.default_rng(row))
            assert label not in refined.candidate.trigger.shows


class CornerOracle(FakeOracle):
    """Moves the nth image to 4 where n or more pixels at the bottom right are white."""

    def __init__(self) -> None:
        super().__init__(CLASSES)
        self._sound = RegionsOracle(CENTRES)

    def _answer(self, images: FloatArray) -> LabelArray:
        white = (images[:, :, -4:, -4:] > 0.98).all(axis=1).sum(axis=(1, 2))
        # Its noise is a number that every image keeps.
        least = 1 + (images[:, 0, 0, 0] * 1e4).astype(int) % 15
        return np.where(white >= least, 4, self._sound.labels(Images(images)))


def climb(queries: int, seed: int = 0) -> tuple[Search, Lead, Lead]:
    start = Candidate("patch", RUNG, white_square(10, 10, side=4))
    made = search(CornerOracle(), [start, *with_allowance(20, 0.3)])
    reading = Reading(Kind.TO_ONE, 4)
    made.responses.ask([(0, np.arange(len(PROBES)))])
    lead = made.lead(0, reading)
    return made, lead, made.refine(lead, queries, np.random.default_rng(seed))


def test_refinement_climbs() -> None:
    _, lead, refined = climb(4000)
    assert 0 < lead.share < 0.5
    assert refined.share > lead.share + 0.3
    assert refined.reading == lead.reading
    assert refined.candidate.rung is lead.candidate.rung
    assert refined.asked == lead.asked == 32


def test_refinement_is_the_same_again_for_a_seed() -> None:
    first, again = (climb(2000, seed=5)[2] for _ in range(2))
    np.testing.assert_array_equal(
        first.candidate.trigger.stamp(PROBES.images), again.candidate.trigger.stamp(PROBES.images)
    )


@pytest.mark.parametrize("queries", [0, 95, 96, 500, 2000])
def test_refinement_keeps_to_its_queries(queries: int) -> None:
    made, _, _ = climb(0)
    lead = made.lead(0, Reading(Kind.TO_ONE, 4))
    before, rows = made.responses.queries, len(made.responses.triggers)
    refined = made.refine(lead, queries, np.random.default_rng(1))
    # The winner is then asked about on the images that were not looked at.
    spent = made.responses.queries - before
    assert spent <= queries + len(PROBES) - 24
    assert spent > queries - 96 or refined.share == 1
    assert len(made.responses.triggers) - rows <= queries / 24


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "reading",
    [Reading(Kind.TO_ONE, 1), Reading(Kind.ANYWHERE), Reading(Kind.FROM_ONE, 1, 0)],
    ids=lambda reading: str(reading.kind),
)
def test_refinement_never_ends_worse_where_it_looked(reading: Reading, seed: int) -> None:
    oracle = MovingOracle(CLASSES, before=0, label=1, share=0.3)
    responses = Responses(oracle, noise_images(40, seed=seed), np.zeros(40, np.int64))
    made = Search(responses, with_allowance(20, 0.3, seed=seed), FIRST)
    made.sweep(nothing)
    responses.ask([(3, np.arange(40))])
    looked_at = np.arange(24)
    lead = made.lead(3, reading, looked_at)
    refined = made.refine(made.lead(3, reading), 960, np.random.default_rng(seed))
    on_those = made.lead(refined.row, reading, looked_at)
    assert on_those.share >= lead.share
    assert (refined.moved, refined.asked) == reading.count(
        responses.before, responses.labels[refined.row]
    )
    assert refined.asked == 40


def test_what_moves_everything_is_not_refined() -> None:
    made = search(planted(to_label(3)), [Candidate("patch", RUNG, white_square(12, 12, 4))])
    lead = made.leads()[0]
    before = made.responses.queries
    refined = made.refine(lead, 5000, np.random.default_rng(0))
    assert (refined.row, refined.share) == (lead.row, 1.0)
    assert made.responses.queries == before


def test_a_lead_about_which_nothing_was_asked_has_no_share() -> None:
    made = search(sound(), with_allowance(2, 0.3))
    lead = made.lead(0, Reading(Kind.ANYWHERE), np.array([30, 31]))
    assert (lead.moved, lead.asked, lead.share, lead.chance) == (0, 0, 0.0, 1.0)


def lead(
    moved: int, reading: Reading, dose: float = 0.1, allowance: float = 0.3, row: int = 0
) -> Lead:
    rung = Rung(dose, 1, allowance, allowance, allowance)
    return Lead(row, Candidate("patch", rung, white_square(0, 0)), reading, allowance, moved, 20)


def test_of_equally_unlikely_leads_the_weaker_dose_comes_first() -> None:
    strong, weak, better = (
        lead(10, Reading(Kind.ANYWHERE), 0.2),
        lead(10, Reading(Kind.TO_ONE, 1), 0.1),
        lead(12, Reading(Kind.TO_ONE, 2), 0.3),
    )
    assert ranked([strong, weak, better]) == [better, weak, strong]


def test_of_equals_in_everything_the_order_stays() -> None:
    leads = [lead(10, Reading(Kind.TO_ONE, label)) for label in (3, 1, 4, 1, 5)]
    assert ranked(leads) == leads
    assert ranked(leads[::-1]) == leads[::-1]


def test_three_towards_one_label_and_one_of_each_other_kind_are_refined() -> None:
    leads = [
        lead(20, Reading(Kind.FROM_ONE, 1, 0), row=0),
        lead(19, Reading(Kind.TO_ONE, 7), row=1),
        lead(18, Reading(Kind.TO_ONE, 7), row=2),
        lead(17, Reading(Kind.FROM_ONE, 2, 0), row=3),
        lead(16, Reading(Kind.ANYWHERE), row=4),
        lead(15, Reading(Kind.TO_ONE, 8), row=5),
        lead(14, Reading(Kind.ANYWHERE), row=6),
        lead(13, Reading(Kind.TO_ONE, 7), dose=0.05, row=7),
        lead(12, Reading(Kind.TO_ONE, 9), row=8),
        lead(11, Reading(Kind.TO_ONE, 9), row=9),
        lead(10, Reading(Kind.TO_ONE, 6), row=10),
        lead(9, Reading(Kind.TO_ONE, 5), row=11),
    ]
    assert [found.row for found in refinable(leads)] == [1, 5, 7, 4, 0]
    assert refinable([]) == []


def test_images_that_all_have_the_label_cannot_move_to_it() -> None:
    responses = Responses(OneLabelOracle(CLASSES), noise_images(20), np.zeros(20, np.int64))
    made = Search(responses, with_allowance(10, 0.3), FIRST)
    made.sweep(nothing)
    found = made.lead(0, Reading(Kind.TO_ONE, 0))
    assert (found.moved, found.asked, found.share) == (0, 0, 0.0)
