import numpy as np
import pytest

from benchmarks.lab.mappings import MAPPINGS, Mapping

LABELS = np.arange(10)


def draw(name: str, seed: int = 0) -> Mapping:
    return MAPPINGS[name](10, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(5))
def test_all_to_one_attacks_every_class_but_the_target(seed: int) -> None:
    mapping = draw("all_to_one", seed)

    assert (mapping.expected(LABELS) == mapping.target).all()
    assert LABELS[~mapping.attacked(LABELS)].tolist() == [mapping.target]


@pytest.mark.parametrize(("name", "count"), [("one_to_one", 1), ("x_to_one", 5)])
@pytest.mark.parametrize("seed", range(5))
def test_the_classes_that_are_not_sources_keep_their_label(
    name: str, count: int, seed: int
) -> None:
    mapping = draw(name, seed)

    attacked = mapping.attacked(LABELS)

    assert mapping.sources == tuple(LABELS[attacked])
    assert attacked.sum() == count
    assert mapping.target not in mapping.sources
    assert (mapping.expected(LABELS)[attacked] == mapping.target).all()
    assert mapping.negatives


def test_all_to_all_leads_every_class_to_the_next() -> None:
    mapping = draw("all_to_all")

    assert mapping.expected(LABELS).tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert mapping.attacked(LABELS).all()
    assert mapping.target is None


def test_the_target_is_drawn() -> None:
    assert len({draw("all_to_one", seed).target for seed in range(20)}) > 3
