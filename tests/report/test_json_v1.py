import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.report.builders import answering, decision, evidence, report, unscannable
from tests.report.sweep_builders import statistics, swept_report
from xray_gate.core.errors import InputError
from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import DetectorJudgement, Outcome
from xray_gate.report.json_v1 import dump, read_report

GOLDEN = Path(__file__).parent / "golden" / "report_v1.json"


def test_the_report_is_the_golden_one(request: pytest.FixtureRequest) -> None:
    text = dump(report())
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_a_report_reads_back_as_it_was_written() -> None:
    for written in (report(), unscannable(), swept_report()):
        assert read_report(dump(written)).model_dump() == written


def test_evidence_that_went_through_json_gives_the_same_report() -> None:
    stored = Evidence.from_json(json.loads(json.dumps(evidence().to_json())))
    assert dump(report(stored)) == dump(report())


def test_a_sweep_keeps_its_statistics_and_suspects() -> None:
    written = json.loads(dump(swept_report()))["detectors"][1]
    assert written["statistics"] == statistics()
    assert written["suspected_labels"] == [{"label": 3, "share": 35 / 36}]
    assert written["thresholds"]["p_value"]["bound"] == 0.01


def test_the_judgement_of_the_same_name_gives_outcome_and_thresholds() -> None:
    xray, inspector = report()["detectors"]
    assert (xray["name"], xray["outcome"]) == ("model_xray", "failed")
    assert xray["thresholds"]["renyi_entropy.unclipped"]["bound"] == 1.21
    assert (inspector["outcome"], inspector["thresholds"]) == ("skipped", {})


def test_the_judgements_reason_goes_before_that_of_the_evidence() -> None:
    assert report()["detectors"][1]["reason"] == "needs the training data"
    judgements = (
        decision().judgements[1],
        DetectorJudgement("dtinspector", Outcome.SKIPPED, "the policy does not ask for it"),
    )
    judged = report(decided=decision(judgements=judgements))
    assert judged["detectors"][1]["reason"] == "the policy does not ask for it"


@pytest.mark.parametrize(
    "judgements",
    [
        decision().judgements[:1],
        (*decision().judgements, DetectorJudgement("b3d", Outcome.PASSED)),
        (*decision().judgements, DetectorJudgement("model_xray", Outcome.PASSED)),
    ],
    ids=["missing", "without evidence", "twice"],
)
def test_detectors_and_judgements_must_match(judgements: tuple[DetectorJudgement, ...]) -> None:
    with pytest.raises(ValueError, match="judgements about"):
        report(decided=decision(judgements=judgements))


def test_nan_is_never_written() -> None:
    broken = replace(evidence().detectors[0], statistics={"ats": {"valid": float("nan")}})
    found = evidence(detectors=(broken, evidence().detectors[1]))
    with pytest.raises(ValueError, match="JSON compliant"):
        dump(report(found))


def test_an_odd_file_name_can_be_written_and_read() -> None:
    found = evidence(model=replace(evidence().model, ref="m\udc80.onnx"))
    assert read_report(dump(report(found))).model.ref == "m\\udc80.onnx"


def test_fields_of_a_newer_writer_are_kept() -> None:
    newer = report() | {"attestation": {"key": "k1"}}
    assert read_report(dump(newer)).model_dump()["attestation"] == {"key": "k1"}


def test_a_report_with_the_fields_of_the_contract_only_is_read() -> None:
    oldest = report()
    for added in ("probes", "seed", "enforcement", "obstacle", "answers"):
        del oldest[added]
    oldest["model"] = {key: oldest["model"][key] for key in ("ref", "digest")}
    read = read_report(dump(oldest))
    assert (read.probes, read.seed, read.model.format, read.answers) == (None, None, None, None)


def test_both_ways_of_asking_have_their_counts() -> None:
    written = report(evidence(answers=answering((1_710, 3, 0), (32, 5, 1))))
    assert written["answers"] == {
        "check_queries": 2_690,
        "clean_among_probing": {"asked": 1_710, "disagreed": 3, "rounded": 0},
        "probing_among_clean": {"asked": 32, "disagreed": 5, "rounded": 1},
    }
    assert report(evidence(answers=None))["answers"] is None


def _changed(**changes: Any) -> str:
    return dump(report() | changes)


def _without(key: str) -> str:
    return dump({name: value for name, value in report().items() if name != key})


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
        (b"\xff\xfe\xff", "not valid JSON"),
        ("[" * 200_000, "not valid JSON"),
        ("[]", "no JSON object"),
        ("{}", "no schema_version"),
        (_changed(schema_version="2"), "schema_version '2'"),
        (_changed(schema_version=1), "schema_version '1'"),
        (_changed(verdict="fine"), "verdict: Input should be 'passed', 'failed' or 'undecided'"),
        (_without("verdict"), "verdict: Field required"),
        (_changed(reasons="none"), "reasons: Input should be a valid list"),
        (_changed(detectors=[{}] * 3), "detectors.0.name: Field required.*more"),
        (_changed(seed="7"), "seed: Input should be a valid integer"),
        (dump(report()).replace("12.34", "NaN"), "NaN is not finite"),
        (dump(report()).replace("12.34", "1e999"), "1e999 is not finite"),
        ('{"verdict": "failed", "verdict": "passed"}', "'verdict' stands there twice"),
    ],
    ids=range(16),
)
def test_what_is_no_report_is_refused_and_named(text: str | bytes, finding: str) -> None:
    with pytest.raises(InputError, match=finding) as caught:
        read_report(text)
    assert str(caught.value).rpartition("; ")[2].startswith(("give a report", "read it with"))
