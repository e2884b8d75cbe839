import unicodedata
from dataclasses import replace

import pytest

from tests.report.builders import HOSTILE, decision, evidence, report, unscannable
from xray_gate.core.verdict import DetectorJudgement, Enforcement, Outcome, Verdict
from xray_gate.report.text import render_text


def test_verdict_and_reasons_come_first() -> None:
    lines = render_text(report()).splitlines()
    assert lines[:2] == [
        "FAILED  models:/signs/7",
        "  - model_xray: renyi_entropy.unclipped 0.71 is at or below 1.21",
    ]


def test_each_detector_says_what_it_found_and_what_it_cost() -> None:
    text = render_text(report())
    assert "  model_xray   failed (120,000 queries, 12.3 s)" in text
    assert "renyi_entropy.unclipped 0.71 (suspicious below 1.21)  <- suspicious" in text
    assert "ats.valid 0.126 (no threshold)\n" in text
    assert "suspected label 3 (share 70.0%)" in text
    assert "  dtinspector  skipped\n      needs the training data" in text


def test_probes_are_counted() -> None:
    assert "200 clean samples of 4 classes, accuracy 78.0%" in render_text(report())


def test_a_model_that_could_not_be_scanned_shows_the_obstacle() -> None:
    text = render_text(unscannable())
    assert text.startswith("UNDECIDED")
    assert "the model process died; raise its memory" in text
    assert text.endswith("\ndetectors none ran\n")


@pytest.mark.parametrize(
    ("verdict", "enforcement", "told"),
    [
        (Verdict.FAILED, Enforcement.WARN, True),
        (Verdict.UNDECIDED, Enforcement.AUDIT, True),
        (Verdict.FAILED, Enforcement.ENFORCE, False),
        (Verdict.PASSED, Enforcement.WARN, False),
    ],
)
def test_a_mode_that_admits_all_the_same_is_told(
    verdict: Verdict, enforcement: Enforcement, told: bool
) -> None:
    decided = decision(verdict=verdict, enforcement=enforcement)
    assert ("would admit" in render_text(report(decided=decided))) == told


def test_nothing_foreign_acts_on_the_terminal() -> None:
    xray = replace(
        evidence().detectors[0], name=HOSTILE, statistics={HOSTILE: 1.0, "a": {HOSTILE: 2}}
    )
    found = evidence(
        model=replace(evidence().model, ref=HOSTILE, digest=HOSTILE),
        detectors=(xray, evidence().detectors[1]),
    )
    judged = DetectorJudgement(HOSTILE, Outcome.FAILED, HOSTILE, {HOSTILE: {"suspicious": HOSTILE}})
    decided = decision(reasons=(HOSTILE,), judgements=(decision().judgements[0], judged))
    text = render_text(report(found, decided))
    acting = {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")}
    assert acting == {"\n"}
    assert "\\x1b[31m\\x9b2J\\u202e\\n" in text
    assert max(map(len, text.splitlines())) < 6000
