import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detectors.trigger_sweep.making import RGB, noise_images, white_square
from tests.fakes.oracles import OneLabelOracle
from xray_gate.detectors.trigger_sweep.families.ghosts import Ghost
from xray_gate.detectors.trigger_sweep.families.interface import Scene
from xray_gate.detectors.trigger_sweep.readings import (
    Kind,
    Reading,
    shares_by_label,
    unexplained_shares,
)
from xray_gate.detectors.trigger_sweep.responses import UNASKED, Responses

CLASSES = 4

reproducible = settings(derandomize=True, deadline=None, max_examples=150)
labels = st.integers(0, CLASSES - 1)
pairs = st.lists(st.tuples(labels, st.integers(UNASKED, CLASSES - 1)), min_size=1, max_size=12)
readings = st.one_of(
    st.builds(Reading, st.just(Kind.TO_ONE), labels),
    st.just(Reading(Kind.ANYWHERE)),
    st.builds(Reading, st.just(Kind.FROM_ONE), labels, labels),
)


@dataclass
class Slow:
    """One image after another, as one would explain it."""

    moved: int = 0
    asked: int = 0

    def count(self, reading: Reading, pairs: list[tuple[int, int]]) -> "Slow":
        for before, after in pairs:
            if after == UNASKED or not could_move(reading, before):
                continue
            self.asked += 1
            if after != before and reading.label in (None, after):
                self.moved += 1
        return self


def could_move(reading: Reading, before: int) -> bool:
    if reading.kind is Kind.ANYWHERE:
        return True
    if reading.kind is Kind.TO_ONE:
        return before != reading.label
    return before == reading.source and before != reading.label


def arrays(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(pairs, dtype=np.int64)
    return both[:, 0], both[:, 1]


@reproducible
@given(readings, pairs)
def test_counts_are_those_of_one_image_after_another(
    reading: Reading, pairs: list[tuple[int, int]]
) -> None:
    slow = Slow().count(reading, pairs)
    assert reading.count(*arrays(pairs)) == (slow.moved, slow.asked)


@reproducible
@given(readings, pairs)
def test_eligible_images_are_those_that_could_move(
    reading: Reading, pairs: list[tuple[int, int]]
) -> None:
    before, _ = arrays(pairs)
    assert reading.eligible(before).tolist() == [could_move(reading, label) for label, _ in pairs]


@reproducible
@given(st.lists(labels, min_size=1, max_size=8), st.data())
def test_movements_to_every_label_are_counted_at_once(
    before: list[int], data: st.DataObject
) -> None:
    row = st.lists(st.integers(UNASKED, CLASSES - 1), min_size=len(before), max_size=len(before))
    rows = data.draw(st.lists(row, min_size=1, max_size=4))
    found = shares_by_label(np.array(before), np.array(rows), CLASSES)
    assert found.shape == (len(rows), CLASSES)
    for index, after in enumerate(rows):
        for label in range(CLASSES):
            slow = Slow().count(Reading(Kind.TO_ONE, label), list(zip(before, after, strict=True)))
            assert found[index, label] == slow.moved / max(1, slow.asked)


def test_a_label_that_a_trigger_shows_is_explained_by_that() -> None:
    images = noise_images(4)
    responses = Responses(OneLabelOracle(CLASSES, 3), images, np.array([0, 1, 2, 0]))
    ship = Scene(RGB, images[:1], np.array([3]))
    bird = Scene(RGB, images[:1], np.array([2]))
    rng = np.random.default_rng(0)
    rows = responses.add(
        [*(Ghost().draw(0.2, pool, rng) for pool in (ship, bird)), white_square(0, 0)]
    )
    responses.ask([(row, np.arange(4)) for row in rows])
    everything = shares_by_label(responses.before, responses.labels, CLASSES)
    assert everything[:, 3].tolist() == [1.0, 1.0, 1.0]
    assert unexplained_shares(responses)[:, 3].tolist() == [0.0, 1.0, 1.0]
    assert unexplained_shares(responses, slice(1, 2)).tolist() == [[0.0, 0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("reading", "wanted"),
    [
        (Reading(Kind.TO_ONE, 5), {"kind": "all-to-one", "label": 5, "source": None}),
        (Reading(Kind.ANYWHERE), {"kind": "all-to-all", "label": None, "source": None}),
        (Reading(Kind.FROM_ONE, 5, 2), {"kind": "source-specific", "label": 5, "source": 2}),
    ],
)
def test_readings_are_told_as_json(reading: Reading, wanted: dict[str, object]) -> None:
    assert reading.to_json() == wanted
    assert json.loads(json.dumps(reading.to_json())) == wanted


def test_equal_readings_are_one_key() -> None:
    assert len({Reading(Kind.FROM_ONE, 1, 2), Reading(Kind.FROM_ONE, 1, 2)}) == 1
