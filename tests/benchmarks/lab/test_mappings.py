import numpy as np
import pytest

from benchmarks.lab.attacks.mappings import MAPPINGS, Mapping, draw_mapping

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


@pytest.mark.parametrize("sources", [1, 3, 5, 10])
def test_x_to_x_leads_each_source_to_a_target_of_its_own(sources: int) -> None:
    for seed in range(5):
        mapping = draw_mapping("x_to_x", 10, np.random.default_rng(seed), sources)

        attacked = LABELS[mapping.attacked(LABELS)]

        assert mapping.sources == tuple(attacked)
        assert len(attacked) == len(set(mapping.expected(attacked))) == sources
        assert mapping.target is None
        assert mapping.conditional
        # Where every class is a source there is no other one to keep its label.
        assert mapping.negatives == (sources < 10)


def test_sources_and_targets_of_x_to_x_are_drawn() -> None:
    drawn = [draw("x_to_x", seed) for seed in range(20)]

    assert len({mapping.sources for mapping in drawn}) > 10
    assert len({tuple(mapping.table) for mapping in drawn}) == 20


@pytest.mark.parametrize("sources", [1, 2, 9])
def test_x_to_one_takes_as_many_sources_as_are_asked_for(sources: int) -> None:
    mapping = draw_mapping("x_to_one", 10, np.random.default_rng(0), sources)

    assert mapping.sources is not None
    assert len(mapping.sources) == sources
    assert (mapping.expected(np.array(mapping.sources)) == mapping.target).all()
    assert mapping.target not in mapping.sources


@pytest.mark.parametrize(
    ("name", "classes", "sources", "most"),
    [("x_to_one", 10, 10, 9), ("x_to_x", 10, 11, 10), ("x_to_x", 1, 1, 0)],
)
def test_more_sources_than_there_are_classes_are_refused(
    name: str, classes: int, sources: int, most: int
) -> None:
    with pytest.raises(ValueError, match=f"{sources} of {classes} classes.*ask for 1 to {most}"):
        draw_mapping(name, classes, np.random.default_rng(0), sources)
