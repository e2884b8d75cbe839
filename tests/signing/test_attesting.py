import base64
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.signing.making import KEY, NOW, output_of, sign, write_model
from tests.support.evidence import backdoored, clean, evidence_of, make_policy, unscannable
from xray_gate import __version__
from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision, Enforcement, Verdict
from xray_gate.policy.decision import decide
from xray_gate.scan.digest import digest_of, model_digest
from xray_gate.scan.work import ScanOutput
from xray_gate.signing.attesting import Attesting
from xray_gate.signing.statement import EXTENSION, resource_uri, written_name


def statement(envelope: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    return read


def test_the_statement_is_an_in_toto_summary_of_the_verdict(tmp_path: Path) -> None:
    signed = sign(tmp_path)
    read = statement(signed.envelope)
    digest = model_digest(signed.model).removeprefix("sha256:")
    assert read["_type"] == "https://in-toto.io/Statement/v1"
    assert read["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert read["subject"] == [{"name": "models:/signs/1", "digest": {"sha256": digest}}]
    summary = read["predicate"]
    assert {key: value for key, value in summary.items() if key != EXTENSION} == {
        "verifier": {"id": "pkg:pypi/xray-gate", "version": {"xray-gate": __version__}},
        "timeVerified": "2026-11-22T08:30:00Z",
        "resourceUri": "models:/signs/1",
        "policy": {
            "uri": "pkg:pypi/xray-gate#policy/images",
            "digest": {"sha256": signed.policy.digest.removeprefix("sha256:")},
        },
        "verificationResult": "PASSED",
        "verifiedLevels": ["XRAY_GATE_PASSED"],
    }


def test_our_part_holds_verdict_files_and_scores(tmp_path: Path) -> None:
    ours = statement(sign(tmp_path).envelope)["predicate"][EXTENSION]
    assert (ours["verdict"], ours["enforcement"]) == ("passed", "enforce")
    assert ours["reasons"][0].startswith("model_xray: no score is beyond its bound")
    assert [item["name"] for item in ours["files"]] == ["MLmodel", "data/weights.bin", "empty"]
    (detector,) = ours["scan"]["detectors"]
    assert (detector["name"], detector["outcome"], detector["queries"]) == (
        *("model_xray", "passed"),
        100,
    )
    assert detector["statistics"]["renyi_entropy"] == {"unclipped": 1.9, "valid": 1.9}
    assert (ours["scan"]["seed"], ours["scan"]["probes"]["count"]) == (0, 40)


@pytest.mark.parametrize("mode", ["enforce", "warn", "audit"])
@pytest.mark.parametrize(
    ("evidence", "verdict"), [(backdoored(), "failed"), (unscannable(), "undecided")]
)
def test_only_what_passed_is_said_to_have_passed(
    evidence: Evidence, verdict: str, mode: str, tmp_path: Path
) -> None:
    summary = statement(sign(tmp_path, evidence, enforcement=mode).envelope)["predicate"]
    assert (summary["verificationResult"], summary["verifiedLevels"]) == ("FAILED", ["FAILED"])
    assert (summary[EXTENSION]["verdict"], summary[EXTENSION]["enforcement"]) == (verdict, mode)


def test_where_no_bytes_were_looked_at_nothing_is_signed(tmp_path: Path) -> None:
    policy = make_policy(tmp_path / "policies")
    attest = Attesting(KEY, lambda: NOW)
    lost = ScanOutput(unscannable())
    assert attest(lost, decide(policy, lost.evidence), policy) is None
    with pytest.raises(ValueError, match="of which no file was looked at"):
        attest(ScanOutput(clean()), decide(policy, clean()), policy)


def test_files_of_another_scan_are_not_signed(tmp_path: Path) -> None:
    policy = make_policy(tmp_path / "policies")
    found = output_of(write_model(tmp_path / "model")).evidence
    other = replace(found, model=replace(found.model, digest=clean().model.digest))
    output = ScanOutput(other)
    with pytest.raises(ValueError, match="not those that the evidence is about"):
        Attesting(KEY, lambda: NOW)(output, decide(policy, clean()), policy)


def test_a_score_that_is_no_number_is_not_signed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        sign(tmp_path, evidence_of(float("nan")))


def test_too_many_files_are_told_by_the_digest_of_all_only(tmp_path: Path) -> None:
    files = {f"part/{number:06d}": "sha256:" + "0" * 64 for number in range(50_000)}
    output = output_of(write_model(tmp_path / "model"))
    for count, listed in ((20_000, True), (50_000, False)):
        some = dict(list(files.items())[:count])
        envelope = signed_with(tmp_path, some, output.evidence)
        assert (statement(envelope)["predicate"][EXTENSION]["files"] is not None) == listed
        assert len(envelope) < 8 * 2**20


def signed_with(folder: Path, files: dict[str, str], evidence: Evidence) -> str:
    model = replace(evidence.model, digest=digest_of(files), files=files)
    found = replace(evidence, model=model)
    policy = make_policy(folder / "policies")
    output = ScanOutput(found)
    envelope = Attesting(KEY, lambda: NOW)(output, decide(policy, found), policy)
    assert envelope is not None
    return envelope


def test_a_large_statistic_and_a_long_reason_are_left_to_the_report(tmp_path: Path) -> None:
    xray = clean().detectors[0]
    large = {**xray.statistics, "by_label": [0.5] * 10_000}
    evidence = evidence_of(1.9, detectors=(replace(xray, statistics=large),))
    output = output_of(write_model(tmp_path / "model"), evidence)
    policy = make_policy(tmp_path / "policies")
    decision = Decision(Verdict.UNDECIDED, ("x" * 10**6,) * 100, (), Enforcement.ENFORCE)
    envelope = Attesting(KEY, lambda: NOW)(output, decision, policy)
    assert envelope is not None
    assert len(envelope) < 100_000
    (detector,) = statement(envelope)["predicate"][EXTENSION]["scan"]["detectors"]
    assert "renyi_entropy" in detector["statistics"]
    assert detector["left_out"] == 1


def test_names_and_texts_that_are_no_unicode_are_signed_and_verified(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    Path(os.fsdecode(os.fsencode(model) + b"/100%\xff\n")).write_bytes(b"x")
    signed = sign(tmp_path, unscannable("the file \udcff is odd\x00"), model=model)
    ours = statement(signed.envelope)["predicate"][EXTENSION]
    assert "100%25%FF\n" in {item["name"] for item in ours["files"]}
    (finding,) = signed.verified().findings
    assert finding.text.startswith("the verdict is undecided: the file ")


def test_written_names_do_not_collide() -> None:
    names = ["%FF", "\udcff", "%25FF", "%", "é", "a b"]
    assert len({written_name(name) for name in names}) == len(names)
    assert written_name("é b/c.bin") == "é b/c.bin"


@pytest.mark.parametrize(
    ("ref", "uri"),
    [
        ("models:/signs/1", "models:/signs/1"),
        ("models:/team-a:traffic signs/1", "models:/team-a:traffic%20signs/1"),
        ("models:/traffic%20signs/1", "models:/traffic%2520signs/1"),
        ("runs:/abc/model", "runs:/abc/model"),
        ("/home/somebody/secret project/a.onnx", "file:a.onnx"),
        ("../models/clean", "file:clean"),
    ],
)
def test_a_resource_is_a_uri_and_tells_no_folders(ref: str, uri: str) -> None:
    assert resource_uri(ref) == uri
