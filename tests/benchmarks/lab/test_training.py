import numpy as np
import pytest
import torch

from benchmarks.lab.data.splits import DataSet, Split
from benchmarks.lab.networks.blocks import Shape
from benchmarks.lab.networks.catalogue import ARCHITECTURES, Normalised, build
from benchmarks.lab.training import fitting
from benchmarks.lab.training.batches import Course
from benchmarks.lab.training.fitting import PACES, Pace, course_of, fit
from benchmarks.lab.training.recipes import RECIPES, Recipe

LARGE = Pace(0.1, 1.0, batch=96, smoothing=0.1)


@pytest.fixture
def small(small: Split) -> Split:
    """A quarter of each image, which is faster to learn."""
    return Split(np.ascontiguousarray(small.images[:, :16, :16]), small.labels)


def network(seed: int = 1) -> Normalised:
    generator = torch.Generator().manual_seed(seed)
    return build("vgg", Shape(3, 16, 4), torch.full((3,), 0.4), torch.full((3,), 0.3), generator)


def trained(train: Split, pace: Pace, course: Course, recipe: Recipe) -> tuple[Normalised, int]:
    fresh = network()
    seen = fit(fresh, train, 4, pace, course, recipe, np.random.default_rng(2))
    return fresh.eval(), seen


def test_every_architecture_has_a_pace() -> None:
    assert set(PACES) == set(ARCHITECTURES)


@pytest.mark.parametrize("pace", [Pace(0.1, 1.0), LARGE], ids=["host", "device"])
@pytest.mark.parametrize("recipe", ["normal", "mixup"])
def test_a_network_learns_from_either_source_and_the_seed_decides_how(
    recipe: str, pace: Pace, small: Split
) -> None:
    course = Course(12, 2, True, batch=pace.batch)

    first, seen = trained(small, pace, course, RECIPES[recipe])
    second, _ = trained(small, pace, course, RECIPES[recipe])

    assert seen == 12 * (200 // pace.batch)
    images = torch.from_numpy(small.images).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        answers = first(images)
        assert torch.equal(answers, second(images))
    assert (answers.argmax(dim=1).numpy() == small.labels).mean() > 0.9


def test_only_small_networks_on_a_cpu_take_batches_from_the_host(
    small: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def note(*args: object) -> list[object]:
        asked.append(args[-1])
        return []

    monkeypatch.setattr(fitting, "host_batches", note)
    monkeypatch.setattr(fitting, "device_batches", note)
    for pace in (Pace(0.1, 1.0), LARGE):
        fit(network(), small, 4, pace, Course(1, 4, True), Recipe(), np.random.default_rng(0))

    assert [isinstance(last, torch.device) for last in asked] == [False, True]


def test_training_stops_at_the_accuracy_that_a_recipe_names(small: Split) -> None:
    course = Course(60, 4, True)

    _, seen = trained(small, Pace(0.1, 1.0), course, Recipe(stop_at=0.5))

    assert fitting.WINDOW <= seen < 180


def test_fewer_images_than_a_batch_are_refused(small: Split) -> None:
    with pytest.raises(ValueError, match=r"20 images.*give at least 64"):
        trained(small.take(np.arange(20)), LARGE, Course(1, 4, True), Recipe())


@pytest.mark.parametrize(("images", "batch"), [(50_000, 512), (7_740, 512), (774, 96), (200, 64)])
def test_an_epoch_has_at_least_eight_batches_where_images_are_few(
    images: int, batch: int, small: Split
) -> None:
    data = DataSet("some", 4, small, small)

    assert course_of(data, images, "preactresnet18", Recipe(), slow=False).batch == batch
    assert course_of(data, images, "vgg", Recipe(), slow=False).batch == 64


def test_a_backdoor_that_is_hard_to_learn_gets_twice_the_epochs_and_smaller_shifts(
    small: Split,
) -> None:
    data = DataSet("some", 4, small, small, epochs=4.0, flips=True)

    usual = course_of(data, 200, "vgg", Recipe(), slow=False)
    longer = course_of(data, 200, "vgg", Recipe(), slow=True)

    assert (usual.epochs, usual.pad, usual.flips) == (5, 4, True)
    assert (longer.epochs, longer.pad, longer.flips) == (10, 2, True)
