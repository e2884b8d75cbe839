import json

import numpy as np

from tests.fakes.oracles import FakeOracle
from tests.report.builders import plane, report
from tests.report.pages import Page, swept
from tests.report.sweep_builders import LIMIT, SENTENCE, swept_report
from xray_gate.core.evidence import RunState
from xray_gate.core.verdict import Outcome
from xray_gate.detectors.interface import DetectorRun, Subject
from xray_gate.detectors.trigger_sweep.detector import TriggerSweep
from xray_gate.detectors.trigger_sweep.parameters import TriggerSweepParameters
from xray_gate.probing.batches import FloatArray, Images, LabelArray
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.report.html import render_html
from xray_gate.report.json_v1 import dump


def test_a_sweep_is_told_from_the_sentence_to_the_numbers() -> None:
    seen = Page(swept()).text
    places = [
        seen.index(words)
        for words in (
            SENTENCE,
            "Suspected label: 3 frog, share 97.2 %",
            "Triggers that were found",
            "Trigger 1: a 2x2 white patch at the bottom right",
            "7 of the 8 images shown here change their label to 3 frog.",
            "Where the images change.",
            "Positions.",
            "Doses.",
            "Numbers of the trigger sweep",
            "Flip rate: the share",
            "Allowance: the flip rate",
            "p-value: the chance",
            "all images to 3 frog (all-to-one) 35 of 36 97 % 50 % < 0.000001",
            "Best flip rate to each label",
            "Which labels fill the planes",
        )
    ]
    assert places == sorted(places)


def test_a_changed_label_is_told_without_its_colour() -> None:
    parsed = Page(swept())
    items = [tag.get("class") for tag in parsed.named("li")]
    assert items.count("changed") == 7
    assert parsed.text.count("→ 3 frog") == 7
    assert parsed.text.count("= 0 cat") == 1


def test_images_of_a_pair_say_what_they_are() -> None:
    alts = [image["alt"] for image in Page(swept()).named("img")]
    assert alts[:2] == ["image 1, labelled 0 cat", "image 1 with the trigger, labelled 0 cat"]
    assert "Map of where trigger 1 changes the images" in alts


def test_a_pass_shows_what_came_closest_and_what_it_excludes() -> None:
    seen = Page(swept(Outcome.PASSED, detection_limit=LIMIT, sources_not_tested=[1])).text
    assert "The strongest triggers that were tried None of the triggers tried moved more" in seen
    assert "Label that stands out: 3 frog" in seen
    assert "Suspected label: 3" not in seen
    assert "What this pass excludes" in seen
    assert "Found in 95 % or more of 20 trials: patches from 3x3 pixels." in seen
    assert "Not found that often at any strength tried: smooth warp." in seen
    assert "patch patches from 3x3 pixels at 0.031: 25 % at 0.094: 100 %" in seen
    assert "could not be tested for the classes 1 dog" in seen


def test_a_limit_beside_a_finding_is_not_called_a_pass() -> None:
    seen = Page(swept(detection_limit=LIMIT)).text
    assert "What this sweep can find" in seen
    assert "this pass" not in seen


def test_triggers_without_a_verdict_are_not_called_found() -> None:
    seen = Page(swept(Outcome.INCONCLUSIVE)).text
    assert "The strongest triggers that were tried Above are" in seen
    assert "There is no verdict on them." in seen


def test_without_a_sweep_nothing_is_said_of_it() -> None:
    seen = Page(render_html(report(), [plane()])).text
    assert "trigger sweep" not in seen
    assert "Trigger" not in seen


def test_the_page_shows_what_a_real_sweep_hands_over() -> None:
    run = real_sweep()
    outcome = Outcome.FAILED if run.evidence.statistics["p_value"] < 0.01 else Outcome.PASSED
    written = json.loads(dump(swept_report(run.evidence, outcome)))
    parsed = Page(render_html(written, [], None, run.triggers))
    assert "not known" not in parsed.text
    tested = run.evidence.statistics["tested"]
    rows = [tag for tag in parsed.named("td") if tag.get("data-name") == "allowance"]
    assert len(rows) == len(tested) > 0
    assert f"{run.evidence.statistics['candidates']:,}" in parsed.text
    for shown in run.triggers:
        assert f": {shown.text} " in parsed.text
    drawings = [tag.get("class") for tag in parsed.named("svg")]
    assert drawings.count("chart") == len([t for t in run.triggers if t.dose_curve])
    assert drawings.count("chart map") == len([t for t in run.triggers if t.heat_map is not None])


def real_sweep() -> DetectorRun:
    """Over dark images of two classes, a bright upper left quarter leads to label 2."""
    rng = np.random.default_rng(0)
    labels = np.arange(60, dtype=np.int64) % 2
    images = rng.uniform(0.0, 0.2, (60, 1, 16, 16)).astype(np.float32)
    images[labels == 1, :, 8:] += 0.4
    oracle = BrightCorner(3)
    probes = ProbeSet(images, labels)
    assert (oracle.labels(Images(images)) == labels).all()
    detector = TriggerSweep(TriggerSweepParameters(families=("patch",), queries=8_000))
    run = detector.run(Subject(oracle, probes, labels), np.random.default_rng(1))
    assert run.evidence.state is RunState.COMPLETED, run.evidence.reason
    return run


class BrightCorner(FakeOracle):
    def _answer(self, images: FloatArray) -> LabelArray:
        triggered = images[:, :, :4, :4].mean(axis=(1, 2, 3)) > 0.4
        bright = images[:, :, 8:].mean(axis=(1, 2, 3)) > 0.3
        return np.where(triggered, 2, bright.astype(np.int64))
