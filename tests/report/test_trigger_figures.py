import io

import numpy as np
import pytest
from PIL import Image

from tests.report.builders import HOSTILE
from tests.report.sweep_builders import shown_trigger
from xray_gate.report.drawing import INK
from xray_gate.report.palette import label_colour, share_colour
from xray_gate.report.trigger_figures import (
    IMAGE_SIZE,
    MOST_PAIRS,
    change_figure,
    enlarged,
    noun,
    title,
    trigger_figure,
)


def decoded(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    assert image.format == "PNG"
    return image


def colours(image: Image.Image) -> set[object]:
    found = image.convert("RGB").getcolors(image.width * image.height)
    assert found is not None
    return {colour for _, colour in found}


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((3, 32, 32), (128, 128)),
        ((1, 28, 28), (112, 112)),
        ((3, 8, 16), (128, 64)),
        ((3, 100, 100), (100, 100)),
        ((3, 224, 224), (128, 128)),
    ],
)
def test_images_get_a_common_size_and_small_ones_whole_pixels(
    shape: tuple[int, int, int], size: tuple[int, int]
) -> None:
    assert enlarged(np.zeros(shape, dtype=np.float32)).size == size


def test_pixels_of_a_small_image_become_squares_of_their_own_colour() -> None:
    pixels = np.zeros((1, 4, 4), dtype=np.float32)
    pixels[0, 1, 2] = 1.0
    picture = enlarged(pixels)
    step = IMAGE_SIZE // 4
    assert colours(picture) == {(0, 0, 0), (255, 255, 255)}
    box = picture.convert("L").getbbox()
    assert box == (2 * step, step, 3 * step, 2 * step)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 28, 28), (3, 224, 224), (4, 9, 300)])
def test_the_figure_holds_a_column_for_each_image(shape: tuple[int, int, int]) -> None:
    few = decoded(trigger_figure(shown_trigger(shape, images=2)))
    many = decoded(trigger_figure(shown_trigger(shape, images=MOST_PAIRS)))
    too_many = decoded(trigger_figure(shown_trigger(shape, images=MOST_PAIRS + 4)))
    assert few.height == many.height
    assert many.width - few.width == (MOST_PAIRS - 2) * (few.width - 40 + 16) // 2
    assert too_many.size == many.size


def test_labels_have_the_colours_of_the_planes() -> None:
    found = colours(decoded(trigger_figure(shown_trigger())))
    assert {label_colour(label) for label in (0, 1, 2, 3)} <= found


def test_only_images_whose_label_changed_have_a_frame() -> None:
    shown = shown_trigger(images=2)
    image = decoded(trigger_figure(shown))
    dark = np.all(np.array(image.convert("RGB")) == INK, axis=2)
    # A frame is a vertical run of ink as high as an image.
    framed = np.flatnonzero(dark.sum(axis=0) >= IMAGE_SIZE)
    assert len(framed) == 8
    assert framed.min() > image.width // 2


def test_hostile_texts_and_names_are_harmless() -> None:
    plain = decoded(trigger_figure(shown_trigger(), ["a", "b", "c", "d"]))
    hostile = decoded(trigger_figure(shown_trigger(text=HOSTILE), [HOSTILE] * 4))
    assert hostile.size == plain.size


def test_the_figure_of_a_patch_says_that_it_is_one() -> None:
    shown = shown_trigger()
    patch = shown_trigger(detector="dtinspector")
    assert (noun(shown), noun(patch)) == ("trigger", "patch")
    away = shown_trigger(detector="dtinspector", label=3)
    assert title(away, ["a", "b", "c", "d"]) == "Patch that leads away from label 3 d"
    assert title(patch) == title(shown_trigger(label=3)) == shown.text
    assert trigger_figure(patch) != trigger_figure(shown)


def test_a_trigger_without_images_still_has_a_figure() -> None:
    assert decoded(trigger_figure(shown_trigger(images=0))).width > 0


def test_the_change_is_darkest_where_the_trigger_lies() -> None:
    content, largest = change_figure(shown_trigger())
    picture = decoded(content).convert("RGB")
    assert largest == pytest.approx(0.75)
    assert picture.getpixel((picture.width - 1, picture.height - 1)) == share_colour(1)
    assert picture.getpixel((0, 0)) == share_colour(0)


def test_a_faint_change_is_shown_as_clearly_as_a_strong_one() -> None:
    shown = shown_trigger()
    faint = shown.before.copy()
    faint[:, 0, 0, 0] += 0.01
    content, largest = change_figure(shown_trigger(after=faint))
    assert largest == pytest.approx(0.01, rel=1e-3)
    assert decoded(content).convert("RGB").getpixel((0, 0)) == share_colour(1)


def test_no_change_at_all_is_an_empty_picture() -> None:
    shown = shown_trigger()
    content, largest = change_figure(shown_trigger(after=shown.before))
    assert (largest, colours(decoded(content))) == (0.0, {share_colour(0)})
