import unicodedata
from dataclasses import replace

import pytest

from tests.report.builders import (
    HOSTILE,
    THRESHOLD,
    answering,
    decision,
    evidence,
    report,
    unscannable,
)
from tests.report.dtinspector_builders import (
    dtinspector,
    dtinspector_report,
    dtinspector_statistics,
)
from tests.report.sweep_builders import SENTENCE, statistics, sweep, swept_report
from xray_gate.core.evidence import RunState
from xray_gate.core.verdict import DetectorJudgement, Enforcement, Outcome, Verdict
from xray_gate.report.text import render_text


def test_verdict_and_reasons_come_first() -> None:
    lines = render_text(report()).splitlines()
    assert lines[:2] == [
        "FAILED  models:/signs/7",
        "  - model_xray: renyi_entropy.unclipped 0.71 is at or below 1.21",
    ]


def test_each_detector_has_one_line_with_its_cost_and_finding() -> None:
    lines = render_text(report()).splitlines()
    assert lines[lines.index("detectors") + 1 :] == [
        "  model_xray   failed (120,000 queries, 12.3 s): renyi_entropy.unclipped 0.71 "
        "(suspicious below 1.21) <- suspicious; suspected label 3 (70 %)",
        "  dtinspector  skipped: needs the training data",
    ]


def test_a_sweep_is_told_by_its_sentence_and_its_p_value() -> None:
    text = render_text(swept_report())
    assert text.count(SENTENCE) == 1
    assert (
        "  trigger_sweep  failed (20,533 queries, 4.3 s): p_value 2e-09 (suspicious at or below "
        "0.01) <- suspicious; suspected label 3 (97 %)\n"
    ) in text
    assert (
        "  model_xray     inconclusive (120,000 queries, 12.3 s): no thresholds; calibrate\n"
    ) in text


def test_a_sweep_that_passed_accuses_no_label() -> None:
    found = sweep(statistics=statistics(p_value=0.4))
    text = render_text(swept_report(found, Outcome.PASSED))
    assert text.endswith(
        "passed (20,533 queries, 4.3 s): p_value 0.4 (suspicious at or below 0.01)\n"
    )


@pytest.mark.parametrize(
    ("reason", "end"),
    [(None, "(88 %)\n"), ("no slopes", "(88 %); patches learned by queries: no slopes\n")],
)
def test_dtinspector_is_told_by_its_index_and_by_why_it_took_queries(
    reason: str | None, end: str
) -> None:
    found = dtinspector(statistics=dtinspector_statistics(no_gradients=reason))
    assert render_text(dtinspector_report(found)).endswith(
        "failed (70,592 queries, 98.4 s): anomaly_index 12.4 (suspicious above 3.5, not by "
        f"itself); suspected label 3 {end}"
    )


def test_a_reason_of_the_verdict_is_not_said_again() -> None:
    found = sweep(state=RunState.INCONCLUSIVE, reason="give more probes", statistics={})
    text = render_text(swept_report(found, Outcome.INCONCLUSIVE))
    assert text.count("give more probes") == 1


def test_a_detector_that_crashed_says_why_even_with_a_threshold() -> None:
    judgements = (
        decision().judgements[0],
        DetectorJudgement("model_xray", Outcome.ERRORED, "it died", {"z_score.x": THRESHOLD}),
    )
    text = render_text(report(decided=decision(judgements=judgements)))
    assert "z_score.x no score (suspicious below 1.21); it died\n" in text


def test_probes_are_counted() -> None:
    assert "200 clean samples of 4 classes, accuracy 78.0%" in render_text(report())


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"samples": 50_000, "sha256": "sha256:ab"}, "training  50,000 samples, sha256:ab\n"),
        ({"samples": 50_000}, "training  50,000 samples\n"),
        ({"samples": 9, "sha256": HOSTILE}, "training  9 samples, <script>alert"),
    ],
)
def test_training_data_are_counted(told: dict[str, object], line: str) -> None:
    assert line in render_text(report(evidence(environment={"training_data": told})))


@pytest.mark.parametrize("told", [{"missing": "none was logged"}, {"samples": "many"}, None, 3])
def test_where_there_are_no_training_data_no_line_is_said(told: object) -> None:
    assert "\ntraining" not in render_text(report(evidence(environment={"training_data": told})))


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


def test_both_ways_of_asking_have_a_line() -> None:
    lines = render_text(report(evidence(answers=answering((1_710, 3, 0), (32, 0, 0))))).splitlines()
    assert [line for line in lines if line.startswith("answers")] == [
        "answers   clean samples among probe points: 1,710 asked, 3 answered differently",
        "answers   probe points among clean samples: 32 asked, none answered differently",
    ]
    without = render_text(report(evidence(answers=None)))
    assert "answers" not in without
