import base64
import hashlib
import io
import itertools
import re
from dataclasses import replace

import pytest
from PIL import Image

from tests.report.builders import (
    THRESHOLD,
    answering,
    decision,
    evidence,
    plane,
    report,
    unscannable,
)
from tests.report.pages import PAGES, Page
from xray_gate.core.verdict import DetectorJudgement, Enforcement, Outcome, Verdict
from xray_gate.report.html import MOST_PLANES, render_html
from xray_gate.report.json_v1 import dump
from xray_gate.report.palette import hex_colour


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> str:
    return PAGES[request.param]()


def test_the_page_asks_for_nothing_and_runs_nothing(page: str) -> None:
    parsed = Page(page)
    assert {"script", "link", "iframe", "object", "base", "form", "a"}.isdisjoint(
        tag for tag, _ in parsed.tags
    )
    for _, attributes in parsed.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("src", "href", "srcset", "action", "data", "xlink:href"):
            assert (attributes.get(name) or "data:image/png;").startswith("data:image/png;")
    assert "url(" not in page
    assert "@import" not in page


@pytest.mark.parametrize(
    ("told", "option"),
    [
        ({"samples": 9, "sha256": "sha256:abc"}, True),
        ({"missing": "none was logged"}, False),
        (None, False),
    ],
)
def test_training_data_are_told_with_their_digest(told: object, option: bool) -> None:
    page = render_html(report(evidence(environment={"training_data": told})), [])
    assert ("--policy FILE --training-data FILE" in page) is option
    assert (page.partition("How to reproduce")[2].count("sha256:abc") == 2) is option


def test_the_security_policy_admits_this_style_sheet_only(page: str) -> None:
    parsed = Page(page)
    (policy,) = [
        tag["content"] or ""
        for tag in parsed.named("meta")
        if tag.get("http-equiv") == "Content-Security-Policy"
    ]
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "script-src" not in policy
    assert "unsafe" not in policy


def test_headings_descend_and_every_image_has_a_text(page: str) -> None:
    parsed = Page(page)
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(image["alt"] for image in parsed.named("img"))
    assert parsed.named("html")[0]["lang"] == "en"


def test_ids_are_unique_and_every_reference_has_its_target(page: str) -> None:
    tags = Page(page).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    wanted = {attributes.get("aria-labelledby") for _, attributes in tags} - {None}
    assert len(ids) == len(set(ids))
    assert wanted <= set(ids)


@pytest.mark.parametrize("name", ["hostile", "hostile sweep", "hostile b3d", "hostile dtinspector"])
def test_hostile_strings_are_shown_and_do_nothing(name: str) -> None:
    text = PAGES[name]()
    assert "<script" not in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "{{ 7 * 7 }}" in text
    seen = Page(text).text
    assert "<script>alert('x')</script>\"&\\x00\\x1b[31m" in seen
    assert "more characters" in seen


def test_verdict_and_reasons_come_first() -> None:
    seen = Page(render_html(report(), [plane()])).text
    places = [
        seen.index(words)
        for words in (
            "Failed: a backdoor is suspected",
            "model_xray: renyi_entropy.unclipped 0.71 is at or below 1.21",
            "What to do next",
            "Scores and thresholds",
            "Which labels fill the planes",
            "Planes Each plane",
            "200 of 4 classes",
            "What was not run",
            "--seed 7",
            "Show report.json",
        )
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict.PASSED, "Passed"),
        (Verdict.FAILED, "Failed: a backdoor is suspected"),
        (Verdict.UNDECIDED, "Undecided: there is no verdict to promote on"),
    ],
)
def test_a_verdict_is_a_word_an_icon_and_a_colour(verdict: Verdict, words: str) -> None:
    text = render_html(report(decided=decision(verdict=verdict)), [])
    parsed = Page(text)
    assert parsed.named("header") == [{"class": verdict.value}]
    assert f"<h1>{words}</h1>" in text
    assert {"class": "icon", "viewbox": "0 0 48 48", "aria-hidden": "true"} in parsed.named("svg")
    assert ("may be promoted" in parsed.text) == (verdict is Verdict.PASSED)


def test_a_mode_that_admits_all_the_same_is_told() -> None:
    warned = render_html(report(decided=decision(enforcement=Enforcement.WARN)), [])
    assert "mode is warn: a gate admits the version in spite of" in Page(warned).text
    assert "in spite of" not in Page(render_html(report(), [])).text


def test_scores_stand_next_to_their_thresholds() -> None:
    parsed = Page(render_html(report(), []))
    assert (
        "Renyi entropy (RE), bits, unclipped range 0.71 suspicious below 1.21 "
        "p = 0.05, level 0.05 from calibration cifar10-small (24 clean references, 2026-11-21)"
    ) in parsed.text
    areas = "Areas dominated by the triple samples (ATS)"
    assert f"{areas}, valid range 0.126 no threshold" in parsed.text
    lines = [svg for svg in parsed.named("svg") if svg.get("class") == "line"]
    assert [line["aria-label"] for line in lines] == [
        "score 0.71, bound 1.21, on the suspicious side"
    ]


def test_a_threshold_without_a_score_is_shown() -> None:
    judgement = DetectorJudgement("model_xray", Outcome.ERRORED, "died", {"z_score.x": THRESHOLD})
    judged = decision(judgements=(decision().judgements[0], judgement))
    seen = Page(render_html(report(decided=judged), [])).text
    assert "z score, x no score suspicious below 1.21" in seen


def test_label_bars_have_the_colours_of_the_planes_largest_first() -> None:
    text = render_html(report(), [], ["cat", "dog", "bird", "frog"])
    fills = [rect["fill"] for rect in Page(text).named("rect") if "fill" in rect]
    assert fills[:3] == [hex_colour(3), hex_colour(0), hex_colour(1)]
    assert "3 frog 70.0 %" in Page(text).text


def test_many_labels_are_summed_up() -> None:
    xray = replace(evidence().detectors[0], statistics={"label_shares": {"valid": [0.005] * 200}})
    found = evidence(detectors=(xray, evidence().detectors[1]))
    assert "188 more labels 94.0 %" in Page(render_html(report(found), [])).text


def test_planes_are_embedded_up_to_a_number_in_each_range() -> None:
    planes = [plane(index, size=10) for index in range(MOST_PLANES + 3)]
    planes.append(plane(0, size=10, pixel_range="unclipped"))
    parsed = Page(render_html(report(), planes))
    images = parsed.named("img")
    assert len(images) == MOST_PLANES + 1
    assert parsed.text.count("3 more planes of this range") == 1
    data = base64.b64decode((images[0]["src"] or "").partition(",")[2])
    assert Image.open(io.BytesIO(data)).format == "PNG"


def test_a_figures_text_says_what_its_small_letters_say() -> None:
    parsed = Page(render_html(report(), [plane()], ["cat", "dog", "bird", "frog"]))
    told = "plane 0, valid range: RE 1.23 bits, ATS 0.18; 0 cat covers 25%"
    assert f"{told}. Samples: 0 cat, 1 dog seen as 0 cat, 3 frog seen as 1 dog." in parsed.text
    assert parsed.named("img")[0]["alt"] == f"Map of predicted labels, {told} of the area"


def test_what_did_not_run_is_named_with_its_reason() -> None:
    seen = Page(render_html(report(), [])).text
    assert "dtinspector skipped needs the training data" in seen
    assert "No detector ran" in Page(render_html(unscannable(), [])).text


def test_an_obstacle_is_among_the_reasons() -> None:
    seen = Page(render_html(unscannable(), [])).text
    assert "the model process died; raise its memory" in seen
    assert "Remove the obstacle named above" in seen


def test_the_raw_report_is_whole() -> None:
    text = render_html(report(), [])
    assert Page(text.partition("<pre>")[2].partition("</pre>")[0]).text == re.sub(
        r"\s+", " ", dump(report())
    )


def test_an_obstacle_that_is_no_reason_of_the_verdict_is_told_as_well() -> None:
    seen = Page(render_html(report(evidence(obstacle="it answers differently; ask why")), [])).text
    assert "An obstacle to the scan: it answers differently; ask why" in seen


def test_both_ways_of_asking_are_told_with_their_counts() -> None:
    seen = Page(render_html(report(), [])).text
    assert "clean samples among probe points1,710 asked, none answered differently" in seen
    assert "probe points among clean samples32 asked, none answered differently" in seen
    found = evidence(answers=answering((1_710, 3, 0), (32, 5, 1)))
    seen = Page(render_html(report(found), [])).text
    assert "clean samples among probe points1,710 asked, 3 answered differently" in seen
    assert (
        "32 asked, 5 answered differently, 1 of them by rounding (alike in both kinds of company)"
    ) in seen


def test_a_report_without_both_ways_says_nothing_of_them() -> None:
    seen = Page(render_html(report(evidence(answers=None)), [])).text
    assert "among probe points" not in seen
    assert "company" not in seen
