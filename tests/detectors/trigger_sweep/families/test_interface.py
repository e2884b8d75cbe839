from dataclasses import dataclass
from typing import Self

import numpy as np
import pytest

from tests.detectors.trigger_sweep.making import noise_images, scene
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.families.interface import Trigger, pick, rungs
from xray_gate.probing.batches import FloatArray


@dataclass(frozen=True, eq=False)
class Added(Trigger):
    """Adds the dose, in double precision and without clipping."""

    dose: float

    @property
    def text(self) -> str:
        return "light"

    def at(self, dose: float) -> Self:
        return type(self)(dose)

    def _apply(self, images: FloatArray) -> FloatArray:
        return np.asarray(images.astype(np.float64) + self.dose, dtype=None)


@pytest.mark.parametrize("dose", [0.4, -0.4])
def test_whatever_a_trigger_does_its_stamp_is_an_image(dose: float) -> None:
    images = noise_images(3)
    stamped = Added(dose).stamp(images)
    assert stamped.dtype == np.float32
    np.testing.assert_allclose(stamped, np.clip(images + dose, 0, 1), atol=1e-6)
    assert {float(stamped.min()), float(stamped.max())} & {0.0, 1.0}


def test_a_trigger_with_nothing_close_varies_to_itself() -> None:
    trigger = Added(0.1)
    assert trigger.vary(np.random.default_rng(0)) is trigger


def test_sides_are_those_of_the_shorter_one() -> None:
    assert scene((1, 24, 32)).side == scene((3, 32, 24)).side == 24


@pytest.mark.parametrize(
    ("share", "pixels"), [(1 / 32, 1), (1 / 8, 3), (1 / 2, 12), (1, 24), (0.001, 1)]
)
def test_shares_of_the_side_are_whole_pixels_and_at_least_one(share: float, pixels: int) -> None:
    assert scene((1, 24, 32)).pixels(share) == pixels


@pytest.mark.parametrize(
    ("name", "doses", "text"),
    [
        ("patch", (1 / 32, 1 / 8), "patches of 1x1 pixels to 4x4 pixels"),
        ("patch", (1 / 8, 1 / 8), "patches of 4x4 pixels"),
        ("pixels", (9 / 1024, 16 / 1024), "scatters of 9 pixels to 16 pixels"),
        ("noise_blend", (0.05, 0.1), "noise blends of 5% to 10%"),
    ],
)
def test_sizes_are_worded_in_the_familys_own_terms(
    name: str, doses: tuple[float, float], text: str
) -> None:
    assert ALL_FAMILIES[name].sizes_between(*doses, scene((3, 32, 32))) == text


def test_doses_that_are_the_same_size_here_are_named_once() -> None:
    patches = ALL_FAMILIES["patch"]
    assert patches.sizes_between(1 / 32, 1 / 16, scene((3, 16, 16))) == "patches of 1x1 pixels"


def test_rungs_are_made_of_their_fields_in_order() -> None:
    (rung,) = rungs((0.5, 8, 0.1, 0.2, 0.3))
    assert (rung.dose, rung.weight) == (0.5, 8)
    assert (rung.to_one, rung.anywhere, rung.from_one) == (0.1, 0.2, 0.3)


def test_every_option_is_picked_about_as_often() -> None:
    rng = np.random.default_rng(0)
    picked = [pick("abcd", rng) for _ in range(400)]
    assert all(70 < picked.count(option) < 130 for option in "abcd")
