from dataclasses import replace
from typing import Any

import pytest

from tests.policy.builders import calibration, evidence, fixed, harmless, policy, swept
from xray_gate.core.evidence import DetectorEvidence, Evidence, ModelFacts, ProbeFacts
from xray_gate.core.verdict import Verdict
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy

SAMPLES = f"sha256:{'a' * 64}"
OTHERS = f"sha256:{'b' * 64}"


def sweeping(**changes: Any) -> Policy:
    return policy(detectors={"trigger_sweep": {}}, **changes)


def scanned(
    detector: DetectorEvidence, model_format: str = "onnx", samples: str = SAMPLES
) -> Evidence:
    model = ModelFacts("signs.onnx", "sha256:model", model_format, 4)
    return evidence(detector, model=model, probes=ProbeFacts(100, 4, samples, 0.9))


@pytest.mark.parametrize(
    ("formats", "model_format", "verdict"),
    [
        (None, "mlflow-pyfunc", Verdict.PASSED),
        (["onnx"], "onnx", Verdict.PASSED),
        (["pt2", "onnx"], "onnx", Verdict.PASSED),
        (["onnx"], "torchscript", Verdict.UNDECIDED),
        (["onnx"], "unknown", Verdict.UNDECIDED),
        (["onnx"], "ONNX", Verdict.UNDECIDED),
        (["onnx"], "", Verdict.UNDECIDED),
    ],
)
def test_only_accepted_formats_pass(
    formats: list[str] | None, model_format: str, verdict: Verdict
) -> None:
    rules = sweeping() if formats is None else sweeping(formats=formats)
    decision = decide(rules, scanned(harmless(), model_format))
    assert decision.verdict is verdict
    if verdict is Verdict.UNDECIDED:
        assert decision.reasons == (
            f"the model is {model_format}, and the policy images accepts onnx only; register it in "
            "one of these formats",
        )


@pytest.mark.parametrize("samples", [OTHERS, "", SAMPLES.upper(), SAMPLES[:-1]])
def test_other_samples_than_the_policy_names_pass_nothing(samples: str) -> None:
    rules = replace(sweeping(), probes_digest=SAMPLES)
    assert decide(rules, scanned(harmless())).verdict is Verdict.PASSED
    decision = decide(rules, scanned(harmless(), samples=samples))
    assert decision.verdict is Verdict.UNDECIDED
    assert decision.reasons[0].startswith(f"the scan asked other probes ({samples})")
    assert decision.reasons[0].endswith("to have it scanned with these")


def test_what_was_found_all_the_same_still_fails() -> None:
    rules = replace(sweeping(formats=["pt2"]), probes_digest=OTHERS)
    assert decide(rules, scanned(swept())).verdict is Verdict.FAILED


def test_what_too_few_found_is_told_beside_it() -> None:
    rules = policy(
        [fixed(1.0)],
        calibration(),
        trigger_sweep={},
        formats=["pt2"],
        decision={"rule": "all"},
    )
    found = decide(rules, scanned(swept()))
    assert found.verdict is Verdict.UNDECIDED
    assert found.reasons[0].startswith("the model is onnx")
    assert any("trigger_sweep" in reason for reason in found.reasons[1:])


def test_code_that_only_the_scans_policy_opened_passes_under_no_other() -> None:
    found = scanned(harmless())
    let_through = replace(found, environment={**found.environment, "unchecked_code": "is code"})
    decision = decide(sweeping(), let_through)
    assert decision.verdict is Verdict.UNDECIDED
    assert decision.reasons[0].endswith("unsafe_unchecked_code, which images has not: is code")
    assert decide(sweeping(unsafe_unchecked_code=True), let_through).verdict is Verdict.PASSED


def test_nor_is_it_a_model_to_which_the_scan_does_not_apply() -> None:
    told = "it is no classifier"
    found = replace(scanned(harmless()), probes=None, obstacle=told, not_applicable=told)
    let_through = replace(found, environment={"unchecked_code": "is code"})
    rules = sweeping(unsafe_admit_not_applicable=True)
    assert decide(rules, found).admits
    assert not decide(rules, let_through).admits
    both = sweeping(unsafe_admit_not_applicable=True, unsafe_unchecked_code=True)
    assert decide(both, let_through).admits
