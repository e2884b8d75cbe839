import json

import numpy as np
import pytest
from scipy import stats

from tests.detectors.trigger_sweep.making import noise_images, with_allowance
from tests.fakes.backdoors import MovingOracle
from tests.fakes.oracles import FakeOracle, OneLabelOracle
from xray_gate.detectors.trigger_sweep.confirmation import (
    QUOTAS,
    TESTED,
    Confirmed,
    confirm,
    untestable_classes,
)
from xray_gate.detectors.trigger_sweep.readings import Kind, Reading
from xray_gate.detectors.trigger_sweep.responses import Responses
from xray_gate.detectors.trigger_sweep.search import Lead, Search, ranked, refinable
from xray_gate.probing.batches import LabelArray

SMALL = (1, 8, 8)
CLASSES = 4
TO_ONE = Reading(Kind.TO_ONE, 1)
ANYWHERE = Reading(Kind.ANYWHERE)
FROM_ONE = Reading(Kind.FROM_ONE, 1, 0)


def leads(*readings: Reading, allowance: float = 0.3, seed: int = 0) -> list[Lead]:
    candidates = with_allowance(len(readings), allowance, SMALL, seed)
    return [
        Lead(row, candidate, reading, allowance, 20, 20)
        for row, (candidate, reading) in enumerate(zip(candidates, readings, strict=True))
    ]


def held_out(
    oracle: FakeOracle, before: LabelArray | None = None, count: int = 30, seed: int = 0
) -> Responses:
    labels = np.zeros(count, np.int64) if before is None else before
    return Responses(oracle, noise_images(len(labels), SMALL, seed), labels)


def test_leads_are_tested_on_every_held_out_image() -> None:
    oracle = OneLabelOracle(CLASSES, label=1)
    before = np.array([0, 1, 2] * 8)
    found = confirm(held_out(oracle, before), leads(TO_ONE, ANYWHERE, FROM_ONE))
    counts = {lead.lead.reading.kind: (lead.moved, lead.asked) for lead in found}
    assert counts == {Kind.TO_ONE: (16, 16), Kind.ANYWHERE: (16, 24), Kind.FROM_ONE: (8, 8)}
    assert oracle.queries == 3 * 24
    assert sorted(lead.row for lead in found) == [0, 1, 2]


def test_the_first_of_each_kind_are_tested_as_its_quota_says() -> None:
    many = leads(*[TO_ONE] * 6, *[ANYWHERE] * 4, *[FROM_ONE] * 5)
    shuffled = [many[i] for i in np.random.default_rng(0).permutation(len(many))]
    oracle = OneLabelOracle(CLASSES)
    found = confirm(held_out(oracle), shuffled)
    for kind, quota in QUOTAS.items():
        of_kind = [lead.row for lead in shuffled if lead.reading.kind is kind]
        tested = {lead.lead.row for lead in found if lead.lead.reading.kind is kind}
        assert tested == set(of_kind[:quota])
    assert len(found) == TESTED == sum(QUOTAS.values())
    assert oracle.queries == TESTED * 30


def test_fewer_leads_than_the_quota_are_all_tested() -> None:
    assert len(confirm(held_out(OneLabelOracle(CLASSES)), leads(TO_ONE, ANYWHERE))) == 2


@pytest.mark.parametrize(("of_the_class", "tested"), [(0, 0), (7, 0), (8, 1), (20, 1)])
def test_a_source_specific_lead_needs_eight_images_of_its_class(
    of_the_class: int, tested: int
) -> None:
    before = np.repeat([0, 2], [of_the_class, 12])
    found = confirm(held_out(OneLabelOracle(CLASSES), before), leads(ANYWHERE, FROM_ONE))
    assert sum(lead.lead.reading == FROM_ONE for lead in found) == tested


def test_a_lead_that_cannot_be_tested_leaves_its_place_to_the_next() -> None:
    rare, common = Reading(Kind.FROM_ONE, 1, 3), FROM_ONE
    before = np.repeat([0, 3], [20, 4])
    found = confirm(held_out(OneLabelOracle(CLASSES), before), leads(rare, rare, rare, common))
    assert [lead.lead.reading for lead in found] == [common]


def test_a_label_that_all_have_already_cannot_be_tested() -> None:
    found = confirm(held_out(OneLabelOracle(CLASSES)), leads(Reading(Kind.TO_ONE, 0), ANYWHERE))
    assert [lead.lead.reading for lead in found] == [ANYWHERE]


def test_classes_with_too_few_images_are_named() -> None:
    before = np.repeat([0, 1, 3], [14, 13, 15])
    assert untestable_classes(before, 5) == [1, 2, 4]
    assert untestable_classes(np.repeat([0, 1], 14), 2) == []
    # What is named is what could not reach the level even if every image moved.
    assert 8 * 0.6**14 < 0.01 < 8 * 0.6**13


def test_the_p_value_is_the_tail_times_the_number_of_tests() -> None:
    for share in (0.2, 0.4, 0.6, 0.8):
        oracle = MovingOracle(CLASSES, before=0, label=1, share=share)
        for lead in confirm(held_out(oracle), leads(TO_ONE, ANYWHERE, FROM_ONE)):
            tail = stats.binom(30, 0.3).sf(lead.moved - 1)
            assert lead.p_value == pytest.approx(min(1, 8 * tail))
            assert lead.share == lead.moved / 30
            assert lead.excess == pytest.approx((lead.share - 0.3) / 0.7)
            assert lead.allowance == 0.3


def test_the_smallest_p_comes_first_and_of_equals_the_larger_excess() -> None:
    for share in (0.2, 0.5):
        oracle = MovingOracle(CLASSES, before=0, label=1, share=share)
        found = confirm(held_out(oracle), leads(*[TO_ONE] * 4, *[ANYWHERE] * 2, *[FROM_ONE] * 2))
        keys = [(lead.p_value, -lead.excess) for lead in found]
        assert keys == sorted(keys)
        assert len({lead.moved for lead in found}) > 2
    still = confirm(held_out(OneLabelOracle(CLASSES)), leads(TO_ONE, ANYWHERE))
    assert [lead.p_value for lead in still] == [1.0, 1.0]


def test_what_is_not_judged_is_never_a_finding() -> None:
    all_moved = held_out(OneLabelOracle(CLASSES, label=1))
    for lead in confirm(all_moved, leads(TO_ONE, ANYWHERE, FROM_ONE, allowance=1.0)):
        assert (lead.share, lead.p_value, lead.excess) == (1.0, 1.0, -1.0)


def test_a_finding_is_told_as_json() -> None:
    (found,) = confirm(held_out(OneLabelOracle(CLASSES, label=1)), leads(TO_ONE))
    data = found.to_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data == {
        "family": "patch",
        "dose": 0.25,
        "text": found.lead.candidate.trigger.text,
        "reading": {"kind": "all-to-one", "label": 1, "source": None},
        "towards": 1,
        "moved": 30,
        "asked": 30,
        "share": 1.0,
        "allowance": 0.3,
        "p_value": pytest.approx(8 * 0.3**30),
    }


def at_most(level: float, trials: int) -> int:
    """More findings than this come by luck in one of a thousand such tests."""
    return int(stats.binom.ppf(0.999, trials, level))


@pytest.mark.parametrize("allowance", [0.25, 0.6])
@pytest.mark.parametrize("count", [12, 50])
def test_p_values_are_valid_where_exactly_the_allowance_moves(allowance: float, count: int) -> None:
    oracle = MovingOracle(CLASSES, before=0, label=1, share=allowance)
    readings = [*[TO_ONE] * 4, *[ANYWHERE] * 2, *[FROM_ONE] * 2]
    smallest = np.array(
        [
            confirm(
                held_out(oracle, count=count, seed=seed),
                leads(*readings, allowance=allowance, seed=seed),
            )[0].p_value
            for seed in range(250)
        ]
    )
    for level in (0.01, 0.05, 0.2):
        assert (smallest <= level).sum() <= at_most(level, len(smallest))
    assert smallest.min() < 0.5


def searched(seed: int) -> Confirmed:
    """The best finding on a model that moves 60 %, where 30 % and a pull of 30 % are allowed."""
    oracle = MovingOracle(CLASSES, before=0, label=1, share=0.6)
    images = noise_images(48, SMALL, seed)
    zeros = np.zeros(24, np.int64)
    swept, rest = (Responses(oracle, part, zeros) for part in (images[:24], images[24:]))
    found = Search(swept, with_allowance(60, 0.3, SMALL, seed), np.arange(16))
    found.sweep(lambda: None)
    first = found.leads()
    rng = np.random.default_rng(seed)
    refined = [found.refine(lead, 400, rng) for lead in refinable(first)]
    assert all(lead.allowance == pytest.approx(0.6) for lead in refined)
    assert max(lead.share for lead in refined) > 0.7
    return confirm(rest, ranked([*refined, *first]))[0]


def test_p_values_are_valid_after_any_search_on_other_images() -> None:
    smallest = np.array([searched(seed).p_value for seed in range(80)])
    for level in (0.01, 0.05, 0.2):
        assert (smallest <= level).sum() <= at_most(level, len(smallest))


def test_a_trigger_that_moves_most_images_to_one_label_is_towards_it() -> None:
    to_one = MovingOracle(CLASSES, before=0, label=1, share=0.9)
    found = confirm(held_out(to_one), leads(ANYWHERE))
    assert {lead.towards for lead in found} == {1}
    assert confirm(held_out(MovingOracle(CLASSES, 0, 1, 0.0)), leads(ANYWHERE))[0].towards is None
