import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.report.b3d_builders import reversed_trigger
from tests.report.dtinspector_builders import learned_patch
from tests.report.sweep_builders import shown_trigger
from xray_gate.report.palette import share_colour
from xray_gate.report.trigger_section import (
    MOST_TRIGGERS,
    in_words,
    patch_section,
    trigger_section,
)

NAMES = ["cat", "dog", "bird", "frog"]


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ([3, 3, 3], "All 3 images shown here change their label to 3 frog."),
        ([0, 3, 3], "2 of the 3 images shown here change their label to 3 frog."),
        ([0, 1, 3], "1 of the 3 images shown here changes its label to 3 frog."),
        ([1, 3, 3], "All 3 images shown here change their label to 3 frog (2), 1 dog (1)."),
        ([0, 1, 2], "None of the 3 images shown here changes its label."),
    ],
)
def test_what_the_images_show_is_said_in_words(after: list[int], said: str) -> None:
    shown = shown_trigger(images=3, labels_after=np.array(after))
    assert in_words(shown, NAMES) == said


def test_a_pair_is_the_same_image_without_and_with_the_trigger() -> None:
    section = trigger_section([shown_trigger((1, 8, 8))], {}, NAMES)
    assert section is not None
    pairs = section.triggers[0].pairs
    assert [pair.changed for pair in pairs] == [False] + [True] * 7
    assert pairs[1].before.alt == "image 2, labelled 1 dog"
    assert pairs[1].after.alt == "image 2 with the trigger, labelled 3 frog"
    before, after = (_decoded(image.source) for image in (pairs[1].before, pairs[1].after))
    assert before.getpixel((127, 127)) == (64, 64, 64)
    assert after.getpixel((127, 127)) == (255, 255, 255)
    assert after.getpixel((0, 0)) == before.getpixel((0, 0))


def _decoded(source: str) -> Image.Image:
    content = base64.b64decode(source.partition(",")[2])
    return Image.open(io.BytesIO(content)).convert("RGB")


def test_only_small_images_keep_their_pixels_sharp() -> None:
    section = trigger_section([shown_trigger((3, 8, 8)), shown_trigger((3, 224, 224))], {})
    assert section is not None
    assert [view.pairs[0].before.small for view in section.triggers] == [True, False]


def test_triggers_beyond_a_number_are_counted() -> None:
    section = trigger_section([shown_trigger(images=1)] * (MOST_TRIGGERS + 2), {})
    assert section is not None
    assert (len(section.triggers), section.left_out) == (MOST_TRIGGERS, 2)


@pytest.mark.parametrize(
    ("outcome", "found", "passed"),
    [("failed", True, False), ("passed", False, True), ("inconclusive", False, False)],
)
def test_the_outcome_says_whether_a_trigger_was_found(
    outcome: str, found: bool, passed: bool
) -> None:
    section = trigger_section([shown_trigger()], {"trigger_sweep": outcome})
    assert section is not None
    assert (section.found, section.passed) == (found, passed)


def test_a_trigger_of_an_unknown_detector_is_neither_found_nor_passed() -> None:
    section = trigger_section([shown_trigger()], {})
    assert section is not None
    assert (section.found, section.passed) == (False, False)


def test_what_a_trigger_lacks_is_not_drawn() -> None:
    bare = shown_trigger(images=0, heat_map=None, dose_curve=None)
    section = trigger_section([bare], {})
    assert section is not None
    view = section.triggers[0]
    assert (view.pairs, view.change, view.heat_map, view.dose_chart) == ([], None, None, None)


def test_without_triggers_there_is_no_section() -> None:
    assert trigger_section([], {"trigger_sweep": "failed"}) is None


def test_a_patch_that_leads_away_is_no_trigger() -> None:
    shown = [learned_patch(), reversed_trigger()]
    section = trigger_section(shown, {"dtinspector": "failed", "b3d": "passed"})
    assert section is not None
    assert (section.found, section.passed) == (False, True)
    assert [view.detector for view in section.triggers] == ["b3d"]
    assert [view.detector for view in patch_section(shown).patches] == ["dtinspector"]


def test_a_reversed_trigger_shows_its_mask_and_its_pattern() -> None:
    section = trigger_section([reversed_trigger()], {"b3d": "failed"}, NAMES)
    assert section is not None
    mask, pattern, product = section.triggers[0].parts
    assert [part.title for part in (mask, pattern, product)] == [
        "Mask",
        "Pattern",
        "Pattern times mask",
    ]
    assert mask.caption.endswith("50 % at the darkest point, 1.1 of 64 pixels in all.")
    # Eight pixels on each side, enlarged to 192; the darkest is drawn as 1.
    drawn = [_decoded(part.source) for part in (mask, pattern, product)]
    assert [image.size for image in drawn] == [(192, 192)] * 3
    assert drawn[0].getpixel((0, 0)) == share_colour(1.0)
    assert drawn[0].getpixel((191, 191)) == share_colour(0.0)
    assert drawn[1].getpixel((191, 191)) == (255, 0, 0)
    assert [drawn[2].getpixel(at) for at in ((0, 0), (24, 0), (191, 191))] == [
        (255, 0, 0),
        (128, 0, 0),
        (0, 0, 0),
    ]


@pytest.mark.parametrize(
    ("scale", "said"),
    [
        (2.0, "What gets into an image; black is nothing."),
        (0.5, "What gets into an image, made 4.0 times brighter; black is nothing."),
        (0.0, "What gets into an image; black is nothing."),
    ],
)
def test_what_is_made_brighter_says_so(scale: float, said: str) -> None:
    shown = reversed_trigger()
    assert shown.mask is not None
    section = trigger_section([reversed_trigger(mask=shown.mask * np.float32(scale))], {})
    assert section is not None
    assert section.triggers[0].parts[2].caption == said


@pytest.mark.parametrize("missing", ["mask", "pattern"])
def test_a_trigger_without_mask_or_pattern_has_no_parts(missing: str) -> None:
    changes: dict[str, Any] = {missing: None}
    section = trigger_section([reversed_trigger(**changes), shown_trigger()], {})
    assert section is not None
    assert [view.parts for view in section.triggers] == [[], []]


def test_large_parts_do_not_keep_their_pixels_sharp() -> None:
    section = trigger_section([reversed_trigger((3, 224, 224))], {})
    assert section is not None
    assert [part.small for part in section.triggers[0].parts] == [False] * 3


@pytest.mark.parametrize(
    ("detectors", "said"),
    [
        (["trigger_sweep"], "None of the triggers tried moved more images"),
        (["b3d"], "No label's reversed trigger is far smaller"),
        (["trigger_sweep", "b3d"], "No detector failed the model for any"),
    ],
)
def test_a_pass_is_explained_by_the_detectors_that_gave_it(detectors: list[str], said: str) -> None:
    shown = [shown_trigger(detector=name) for name in detectors]
    section = trigger_section(shown, dict.fromkeys(detectors, "passed"))
    assert section is not None
    assert section.why_passed.startswith(said)
