import json
from pathlib import Path

import numpy as np

from tests.detectors.dtinspector.test_detector import QUICK, trained
from tests.report.b3d_builders import b3d_report, reversed_trigger
from tests.report.builders import plane, report
from tests.report.dtinspector_builders import (
    DTINSPECTOR_SENTENCE,
    dtinspector_report,
    learned_patch,
)
from tests.report.pages import Page
from xray_gate.core.verdict import Outcome
from xray_gate.detectors.dtinspector.detector import DTInspector
from xray_gate.report.html import render_html
from xray_gate.report.json_v1 import dump
from xray_gate.report.trigger_section import MOST_TRIGGERS

NAMES = ["cat", "dog", "bird", "frog", "ship", "deer"]


def page(outcome: Outcome = Outcome.FAILED) -> Page:
    return Page(render_html(dtinspector_report(outcome=outcome), [], NAMES, [learned_patch()]))


def test_dtinspector_is_told_from_the_sentence_to_the_training_data() -> None:
    seen = page().text
    places = [
        seen.index(words)
        for words in (
            DTINSPECTOR_SENTENCE,
            "Largest anomaly index 12.4 suspicious above 3.5, not by itself",
            "Numbers of DTInspector",
            "The patches were learned by gradients, as in the paper.",
            "lowest transfer ratio12 %",
            "3 frog suspected 12 % 95 % 88 % 12.4 4.0 6,000",
            "4 ship 30 % 40 % 36 % 3.2 55.0 480",
            "Not tested, because the model gives too few training samples this label: 5 deer.",
            "Patch that leads away from label 3 frog Above are samples that the model is",
            "1 of the 4 images shown here changes its label to 0 cat.",
            "Training data samples20,000 accuracy on them98.9 % sourcetrain.npz digestsha256:",
        )
    ]
    assert places == sorted(places)
    assert "did not fail the model" not in seen
    # Neither is a score to read by itself.
    assert "training accuracy" not in seen.partition("Raw report")[0]


def test_a_patch_is_not_called_a_trigger() -> None:
    parsed = page()
    assert "Triggers that were found" not in parsed.text
    assert "Trigger 1" not in parsed.text
    alts = [image["alt"] or "" for image in parsed.named("img")]
    assert alts[1] == "image 1 with the patch, labelled 3 frog"
    assert alts[-3].startswith("Mask of the patch: a patch that changes confident samples")
    assert not any("trigger" in alt for alt in alts)


def test_triggers_of_others_stand_apart_from_patches() -> None:
    both = b3d_report()
    both["detectors"].append(dtinspector_report()["detectors"][1])
    # Even the most triggers that a page shows leave room for the patches.
    shown = [reversed_trigger()] * MOST_TRIGGERS + [learned_patch()]
    seen = Page(render_html(both, [], NAMES, shown)).text
    triggers = seen.partition("Triggers that were found")[2].partition("Numbers of B3D")[0]
    assert triggers.count("a reversed trigger of 1.1 pixels for label 3") == MOST_TRIGGERS
    assert "patch" not in triggers
    assert "more triggers are not shown" not in seen
    assert seen.count("Patch that leads away from label 3 frog") == 1


def test_patches_beyond_a_number_are_counted() -> None:
    shown = [learned_patch()] * (MOST_TRIGGERS + 2)
    seen = Page(render_html(dtinspector_report(), [], NAMES, shown)).text
    assert seen.count("Patch that leads away from label 3 frog") == MOST_TRIGGERS
    assert "2 more patches are not shown here" in seen


def test_a_patch_for_no_label_is_named_by_its_text() -> None:
    shown = [learned_patch(label=None)]
    seen = Page(render_html(dtinspector_report(), [], NAMES, shown)).text
    assert "a patch that changes confident samples of label 3, on unconfident ones Above" in seen


def test_a_label_that_stands_out_in_a_pass_is_not_called_suspected() -> None:
    seen = page(Outcome.PASSED).text.partition("Raw report")[0]
    assert "3 frog stands out 12 %" in seen
    assert "3 frog suspected" not in seen
    assert "DTInspector did not fail the model for it; this is what came closest." in seen


def test_without_dtinspector_nothing_is_said_of_it() -> None:
    assert "DTInspector" not in Page(render_html(report(), [plane()])).text


def test_the_page_shows_what_a_real_scan_hands_over(tmp_path: Path) -> None:
    run = DTInspector.from_json(QUICK).run(trained(tmp_path, 1), np.random.default_rng(1))
    assert [found.label for found in run.evidence.suspected_labels] == [3]
    written = json.loads(dump(dtinspector_report(run.evidence)))
    parsed = Page(render_html(written, [], None, run.triggers))
    assert "not known" not in parsed.text
    assert "learned by queries alone" in parsed.text
    assert "Why not by gradients" not in parsed.text
    rows = [tag for tag in parsed.named("td") if tag.get("data-name") == "anomaly index"]
    assert len(rows) == 5
    assert " 3 suspected " in parsed.text
    assert "Patch that leads away from label 3 Above" in parsed.text
