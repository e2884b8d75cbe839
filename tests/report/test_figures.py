import io
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.report.builders import HOSTILE, plane
from xray_gate.report.drawing import thumbnail
from xray_gate.report.figures import (
    PLANE_LEFT,
    PLANE_TOP,
    caption,
    contact_sheet,
    label_shares,
    plane_figure,
)
from xray_gate.report.palette import label_colour
from xray_gate.report.plane_tile import enlargement


def decoded(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.format == "PNG"
    return image


def colour_of_cell(image: Image.Image, size: int, row: int, column: int) -> object:
    scale = enlargement(size)
    x = PLANE_LEFT + column * scale + scale // 2
    y = PLANE_TOP + (size - 1 - row) * scale + scale // 2
    return image.getpixel((x, y))


@pytest.mark.parametrize(("size", "classes"), [(20, 2), (100, 10), (50, 43), (200, 200)])
def test_cells_have_their_labels_colours_with_v_upwards(size: int, classes: int) -> None:
    scanned = plane(size=size, classes=classes)
    image = decoded(plane_figure(scanned))
    last = size - 1
    for row, column in ((0, 0), (0, last), (last, 0), (last, last)):
        expected = label_colour(int(scanned.labels[row, column]))
        assert colour_of_cell(image, size, row, column) == expected
    lowest = image.getpixel((PLANE_LEFT, PLANE_TOP + size * enlargement(size) - 1))
    assert lowest == label_colour(int(scanned.labels[0, 0]))


@pytest.mark.parametrize("size", [20, 33, 100, 200, 700])
def test_the_plane_is_enlarged_by_a_whole_number_and_all_of_it_is_on_the_page(size: int) -> None:
    image = decoded(plane_figure(plane(size=size)))
    assert image.width > PLANE_LEFT + size * enlargement(size)
    assert image.height > PLANE_TOP + size * enlargement(size)
    assert image.width < 1200


def test_each_sample_has_a_dot_on_its_cell() -> None:
    scanned = plane(size=100)
    image = decoded(plane_figure(scanned))
    for row, column in scanned.cells:
        assert colour_of_cell(image, 100, int(row), int(column)) == (255, 255, 255)


def test_samples_on_one_cell_or_at_the_edge_still_get_a_figure() -> None:
    for cells in ([[9, 9]] * 3, [[0, 0], [0, 19], [19, 19]], [[5, 1], [5, 9], [5, 15]]):
        image = decoded(plane_figure(replace(plane(), cells=np.array(cells))))
        for row, column in cells:
            assert colour_of_cell(image, 20, row, column) == (255, 255, 255)


def test_the_same_label_has_the_same_colour_in_every_figure() -> None:
    few, many = plane(classes=4), plane(classes=200)
    first, second = decoded(plane_figure(few)), decoded(plane_figure(many))
    assert colour_of_cell(first, 20, 0, 0) == colour_of_cell(second, 20, 0, 0)
    assert colour_of_cell(first, 20, 19, 19) != colour_of_cell(second, 20, 19, 19)


def test_a_thousand_labels_have_a_thousand_colours() -> None:
    assert len({label_colour(label) for label in range(256)}) == 256
    assert len({label_colour(label) for label in range(1000)}) > 990


def test_class_names_are_drawn_and_hostile_ones_are_harmless() -> None:
    plain = plane_figure(plane(), ["cat", "dog", "bird", "frog"])
    assert plain != plane_figure(plane())
    hostile = decoded(plane_figure(plane(), [HOSTILE] * 4))
    assert hostile.size == decoded(plain).size


def test_class_names_may_be_fewer_than_labels() -> None:
    image = decoded(plane_figure(plane(), ["cat"]))
    assert colour_of_cell(image, 20, 0, 0) == label_colour(0)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 224, 224), (4, 5, 9), (3, 9, 300)])
def test_a_thumbnail_keeps_the_shape_of_the_image(shape: tuple[int, int, int]) -> None:
    picture = thumbnail(np.full(shape, 0.5, dtype=np.float32), 84)
    assert max(picture.size) == 84
    assert picture.width / picture.height == pytest.approx(shape[2] / shape[1], rel=0.2)
    assert picture.getpixel((0, 0)) == (128, 128, 128)


def test_grey_and_colour_samples_are_shown_as_they_are() -> None:
    red = np.zeros((3, 4, 4), dtype=np.float32)
    red[0] = 1.0
    assert thumbnail(red, 8).getpixel((3, 3)) == (255, 0, 0)
    assert thumbnail(np.ones((1, 4, 4), dtype=np.float32), 8).getpixel((3, 3)) == (255, 255, 255)


def test_the_caption_names_plane_range_and_scores() -> None:
    assert caption(plane(index=3)) == "plane 3, valid range: RE 1.23 bits, ATS 0.18"


def test_label_shares_are_the_mean_of_the_planes() -> None:
    whole = replace(plane(), labels=np.full((20, 20), 3, dtype=np.int32))
    assert label_shares([plane(), whole]) == [(3, 0.625), (0, 0.125), (1, 0.125), (2, 0.125)]


def test_a_contact_sheet_holds_all_planes_in_rows() -> None:
    planes = [plane(index, classes=10) for index in range(5)]
    wide = decoded(contact_sheet(planes[:3], ["clean", "clean", "backdoored"]))
    square = decoded(contact_sheet(planes, columns=2))
    assert wide.width > 3 * 480
    assert 480 < wide.height < 700
    assert square.height > 3 * 480
    assert 2 * 480 < square.width < 3 * 480


def test_a_contact_sheet_wants_planes_and_a_caption_for_each() -> None:
    with pytest.raises(ValueError, match="needs planes"):
        contact_sheet([])
    with pytest.raises(ValueError, match="one caption for each"):
        contact_sheet([plane()], ["one", "two"])


def test_a_figure_takes_milliseconds() -> None:
    plane_figure(plane(size=100))
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        plane_figure(plane(size=100))
        durations.append(time.perf_counter() - start)
    # About 12 ms on one core; the margin is for a busy machine.
    assert min(durations) < 0.1
