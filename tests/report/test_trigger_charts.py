import itertools
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest

from tests.report.builders import HOSTILE
from xray_gate.probing.shown_trigger import DoseCurve
from xray_gate.report.palette import hex_colour, hex_share, share_colour
from xray_gate.report.trigger_charts import curve_in_words, dose_chart, heat_map

CURVE = DoseCurve("share", (0.1, 0.2, 0.4), {5: (0.0, 0.5, 1.0), 2: (0.25, 0.0, 0.0)}, 0.2)


def drawn(chart: str) -> ElementTree.Element:
    return ElementTree.fromstring(chart)


def grid(rows: int, columns: int) -> npt.NDArray[np.float32]:
    return np.linspace(0, 1, rows * columns, dtype=np.float32).reshape(rows, columns)


def fills(svg: ElementTree.Element) -> list[str]:
    return [
        rect.get("fill", "")
        for rect in svg.iter("rect")
        if rect.get("fill") and rect.get("class") is None
    ]


def points(svg: ElementTree.Element, label: int) -> list[tuple[float, float]]:
    (line,) = [line for line in svg.iter("polyline") if line.get("stroke") == hex_colour(label)]
    pairs = (point.split(",") for point in line.get("points", "").split())
    return [(float(x), float(y)) for x, y in pairs]


def test_a_map_has_a_coloured_cell_with_its_percent_for_each_position() -> None:
    svg = drawn(heat_map(grid(2, 3)))
    assert fills(svg) == [hex_share(share) for share in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    assert [text.text for text in svg.iter("text")][:6] == ["0", "20", "40", "60", "80", "100"]
    assert svg.get("aria-label") == "map of 2 x 3 positions: 0 % to 100 % of the images move"


def test_rows_of_a_map_go_down_and_its_columns_to_the_right() -> None:
    svg = drawn(heat_map(grid(2, 3)))
    cells = [rect for rect in svg.iter("rect") if rect.get("class") is None]
    places = [(float(cell.get("y", 0)), float(cell.get("x", 0))) for cell in cells]
    assert places == sorted(places)
    assert len(set(places)) == 6


def test_a_map_too_fine_for_numbers_keeps_its_colours_and_its_scale() -> None:
    svg = drawn(heat_map(grid(30, 30)))
    assert len(fills(svg)) == 900
    scale = ["0 %", "25 %", "50 %", "75 %", "100 %"]
    assert [text.text for text in svg.iter("text")] == scale


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 7)])
def test_a_map_stays_on_its_canvas(shape: tuple[int, int]) -> None:
    svg = drawn(heat_map(grid(*shape)))
    width, height = (float(part) for part in svg.get("viewBox", "").split()[2:])
    for rect in svg.iter("rect"):
        assert float(rect.get("x", 0)) + float(rect.get("width", 0)) <= width + 0.1
        assert float(rect.get("y", 0)) + float(rect.get("height", 0)) <= height


def luminance(share: float) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in share_colour(share))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_larger_share_is_always_darker_so_that_no_hue_is_needed() -> None:
    values = [luminance(step / 100) for step in range(101)]
    assert all(later < earlier for earlier, later in itertools.pairwise(values))


def test_numbers_stand_out_from_their_cells() -> None:
    svg = drawn(heat_map(grid(5, 5)))
    inks = {"on-light": 0.01, "on-dark": 1.0}
    tones = [text.get("class") for text in svg.iter("text") if text.get("class")]
    assert len(tones) == 25
    for tone, share in zip(tones, grid(5, 5).ravel().tolist(), strict=True):
        bright, dark = sorted((luminance(share), inks[str(tone)]), reverse=True)
        # The contrast that the Web Content Accessibility Guidelines ask of text.
        assert (bright + 0.05) / (dark + 0.05) >= 4.2


def test_a_label_has_a_line_in_its_colour_and_its_name_at_the_end() -> None:
    svg = drawn(dose_chart(CURVE, ["a", "b", "bird", "d", "e", "dog"]))
    (x0, y0), (x1, y1), (x2, y2) = points(svg, 5)
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert y1 == pytest.approx((y0 + y2) / 2)
    assert y2 < y0
    names = {text.text: float(text.get("y", 0)) for text in svg.iter("text")}
    assert names["5 dog"] == pytest.approx(y2 + 4)
    assert names["5 dog"] < names["2 bird"]


def test_the_doses_and_their_unit_are_on_the_axis() -> None:
    texts = [text.text for text in drawn(dose_chart(CURVE)).iter("text")]
    assert {"0.1", "0.2", "0.4", "dose: share", "found at 0.2", "0 %", "100 %"} <= set(texts)


@pytest.mark.parametrize(("dose", "place"), [(0.1, 0.0), (0.2, 0.5), (0.3, 0.75), (9.0, 1.0)])
def test_the_dose_that_was_found_is_marked_in_its_place(dose: float, place: float) -> None:
    svg = drawn(dose_chart(DoseCurve("share", CURVE.doses, CURVE.shares, dose)))
    (mark,) = [path for path in svg.iter("path") if path.get("class") == "found"]
    first, last = points(svg, 5)[0][0], points(svg, 5)[-1][0]
    x = float(mark.get("d", "")[1:].split()[0])
    assert x == pytest.approx(first + place * (last - first), abs=0.1)


def test_labels_that_draw_nothing_are_left_out_but_for_the_first() -> None:
    shares = {5: (0.0, 0.0, 0.0), 2: (0.1, 0.0, 0.0), 7: (0.0, 0.0, 0.0)}
    said = curve_in_words(DoseCurve("share", (0.1, 0.2, 0.4), shares, 0.1))
    assert said.endswith("at the doses 0.1, 0.2, 0.4: 5 0 %, 0 %, 0 %; 2 10 %, 0 %, 0 %")


def test_names_of_lines_that_end_together_do_not_overlap() -> None:
    curve = DoseCurve("share", (0.1, 0.2), dict.fromkeys(range(4), (0.1, 0.0)), 0.1)
    svg = drawn(dose_chart(curve))
    places = [float(text.get("y", 0)) for text in svg.iter("text") if text.get("class") == "name"]
    assert all(abs(a - b) >= 12 for a, b in itertools.combinations(places, 2))


def test_a_single_dose_is_a_point() -> None:
    assert len(points(drawn(dose_chart(DoseCurve("share", (0.1,), {5: (0.5,)}, 0.1))), 5)) == 1


def test_hostile_names_and_units_stay_text() -> None:
    chart = dose_chart(DoseCurve(HOSTILE, CURVE.doses, CURVE.shares, 0.2), [HOSTILE] * 6)
    assert "<script" not in chart
    svg = drawn(chart)
    assert {element.tag for element in svg.iter()} <= {
        *("svg", "g", "path", "polyline", "circle", "text", "rect")
    }
    assert all(len(text.text or "") < 100 for text in svg.iter("text"))
