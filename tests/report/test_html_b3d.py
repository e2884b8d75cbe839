import json

import numpy as np

from tests.fakes.soft_backdoors import CORNER, planted_subject
from tests.report.b3d_builders import B3D_SENTENCE, b3d_report, reversed_trigger
from tests.report.builders import plane, report
from tests.report.pages import NAMES, Page
from tests.report.sweep_builders import shown_trigger, swept_report
from xray_gate.core.evidence import RunState
from xray_gate.core.verdict import Outcome
from xray_gate.detectors.b3d.detector import B3D
from xray_gate.detectors.interface import DetectorRun
from xray_gate.report.html import render_html
from xray_gate.report.json_v1 import dump


def page(outcome: Outcome = Outcome.FAILED) -> Page:
    return Page(render_html(b3d_report(outcome=outcome), [], NAMES, [reversed_trigger()]))


def test_b3d_is_told_from_the_sentence_to_the_numbers() -> None:
    seen = page().text
    places = [
        seen.index(words)
        for words in (
            B3D_SENTENCE,
            "Largest anomaly index 5.678 suspicious above 2, not by itself",
            "Triggers that were found",
            "Trigger 1: a reversed trigger of 1.1 pixels for label 3",
            "3 of the 4 images shown here change their label to 3 frog.",
            "Mask. How much of each pixel is replaced: 50 % at the darkest point, 1.1 of 64 pixels",
            "Pattern. What stands there instead",
            "Pattern times mask. What gets into an image, made 2.0 times brighter; black is",
            "Numbers of B3D",
            "median of the masks33.2 pixels",
            "3 frog suspected 4.0 5.68 98 % yes 160 the mask has not shrunk",
            "0 cat 30.5 0.55 99 % yes 212",
            "1 dog 40.2 -1.2 40 % no 300 all 300 iterations were made",
        )
    ]
    assert places == sorted(places)
    # Neither is a score to read by itself.
    assert "held back" not in seen
    assert "no score" not in seen


def test_the_parts_of_a_trigger_say_what_they_are() -> None:
    images = page().named("img")
    alts = [image["alt"] for image in images]
    assert alts[-3:] == [
        f"{part} of the trigger: a reversed trigger of 1.1 pixels for label 3"
        for part in ("Mask", "Pattern", "Pattern times mask")
    ]
    assert [image["class"] for image in images[-3:]] == ["pixels"] * 3


def test_a_pass_shows_what_came_closest() -> None:
    seen = page(Outcome.PASSED).text
    assert "No label's reversed trigger is far smaller than those of the others; here is" in seen
    assert "3 frog stands out 4.0" in seen
    assert "suspected" not in seen.partition("Raw report")[0]
    assert "allowance" not in seen


def test_a_trigger_of_a_detector_that_did_not_fail_is_not_called_found() -> None:
    failed = swept_report()
    failed["detectors"].append(b3d_report(outcome=Outcome.PASSED)["detectors"][1])
    shown = [shown_trigger(), reversed_trigger()]
    seen = Page(render_html(failed, [], NAMES, shown)).text
    assert "b3d did not fail the model for it; this is what came closest." in seen
    assert "trigger_sweep did not fail" not in seen
    passed = swept_report(outcome=Outcome.PASSED)
    passed["detectors"].append(b3d_report(outcome=Outcome.PASSED)["detectors"][1])
    seen = Page(render_html(passed, [], NAMES, shown)).text
    assert "No detector failed the model for any of these triggers" in seen
    assert "did not fail the model for it" not in seen


def test_without_b3d_nothing_is_said_of_it() -> None:
    assert "B3D" not in Page(render_html(report(), [plane()])).text


def test_the_page_shows_what_a_real_search_hands_over() -> None:
    run = real_search()
    written = json.loads(dump(b3d_report(run.evidence)))
    parsed = Page(render_html(written, [], None, run.triggers))
    assert "not known" not in parsed.text
    rows = [tag for tag in parsed.named("td") if tag.get("data-name") == "anomaly index"]
    assert len(rows) == 5
    (shown,) = run.triggers
    assert shown.label == 3
    assert f": {shown.text} " in parsed.text
    assert parsed.text.index(" 3 suspected ") > 0


def real_search() -> DetectorRun:
    """Over five classes, a white corner leads to label 3."""
    detector = B3D.from_json({"iterations": 150, "batch": 12, "samples": 20, "learning_rate": 0.1})
    run = detector.run(planted_subject({3: CORNER}, 1), np.random.default_rng(1))
    assert run.evidence.state is RunState.COMPLETED, run.evidence.reason
    return run
