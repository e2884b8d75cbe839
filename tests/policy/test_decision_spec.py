"""The rule over several detectors as it stands in a file, and its mistakes."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.policy.builders import policy
from tests.policy.outcomes import B3D, SWEEP, XRAY, three
from xray_gate.core.errors import PolicyError
from xray_gate.policy.decision_spec import DecisionSpec
from xray_gate.policy.document import PolicyDocument
from xray_gate.policy.files import Policy
from xray_gate.policy.text import parse_document

HEAD = "apiVersion: xray-gate/v1\nkind: Policy\nname: images\n"
BOTH = HEAD + "detectors:\n  trigger_sweep: {}\n  model_xray: {mode: off}\n"

BROKEN = {
    "a rule that there is not": (
        "decision: {rule: most}\n",
        ":7: decision.rule: is 'most'; write 'any', 'all' or 'weighted'",
    ),
    "a misspelt key": (
        "decision:\n  rule: all\n  treshold: 1\n",
        ":9: decision.treshold: is not a setting; did you mean `threshold`?",
    ),
    "no weights": (
        "decision: {rule: weighted, threshold: 0.5}\n",
        ":7: decision: the rule `weighted` needs `weights`; add it",
    ),
    "no threshold": (
        "decision: {rule: weighted, weights: {trigger_sweep: 1}}\n",
        ":7: decision: the rule `weighted` needs `threshold`; add it",
    ),
    "empty weights": (
        "decision: {rule: weighted, threshold: 0.5, weights: {}}\n",
        ":7: decision.weights: is a mapping of 0, too short; give it at least 1",
    ),
    "a weight of 0": (
        "decision:\n  rule: weighted\n  threshold: 0.5\n  weights:\n    trigger_sweep: 0\n",
        ":11: decision.weights.trigger_sweep: is 0; write a number greater than 0",
    ),
    "a weight below 0": (
        "decision: {rule: weighted, threshold: 0.5, weights: {trigger_sweep: -1}}\n",
        "decision.weights.trigger_sweep: is -1; write a number greater than 0",
    ),
    "a weight without end": (
        "decision: {rule: weighted, threshold: 0.5, weights: {trigger_sweep: .inf}}\n",
        "decision.weights.trigger_sweep: is .inf; write",
    ),
    "a weight that is no number": (
        "decision: {rule: weighted, threshold: 0.5, weights: {trigger_sweep: .nan}}\n",
        "decision.weights.trigger_sweep: is .nan; write",
    ),
    "a weight for a detector that is not named": (
        "decision: {rule: weighted, threshold: 0.5, weights: {trigger_sweep: 1, b3d: 1}}\n",
        "decision.weights names b3d, and `detectors` does not; name it there, or use one of "
        "model_xray, trigger_sweep",
    ),
    "weights for what is off only": (
        "decision: {rule: weighted, threshold: 0.5, weights: {model_xray: 1}}\n",
        "every detector in decision.weights is off, so nothing could ever fail; give a weight to",
    ),
    "a threshold of 0": (
        "decision: {rule: weighted, threshold: 0, weights: {trigger_sweep: 1}}\n",
        "decision.threshold: is 0; write a number greater than 0",
    ),
    "a threshold above 1": (
        "decision: {rule: weighted, threshold: 1.01, weights: {trigger_sweep: 1}}\n",
        "decision.threshold: is 1.01; write a number of at most 1",
    ),
    "a threshold that is no number": (
        "decision: {rule: weighted, threshold: .nan, weights: {trigger_sweep: 1}}\n",
        "decision.threshold: is .nan; write a number",
    ),
    "weights without their rule": (
        "decision: {weights: {trigger_sweep: 1}}\n",
        "decision: `weights` means something under the rule `weighted` only; remove it, or set",
    ),
    "a threshold without its rule": (
        "decision: {rule: all, threshold: 0.5}\n",
        "decision: `threshold` means something under the rule `weighted` only; remove it, or set",
    ),
    "outvoted where nobody votes": (
        "decision: {unsafe_pass_if_outvoted: true}\n",
        "decision: no detector is ever outvoted under the rule `any`; remove unsafe_pass_if_",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_rule_is_named_with_its_remedy(case: str, tmp_path: Path) -> None:
    text, said = BROKEN[case]
    path = tmp_path / "policy.yaml"
    path.write_text(BOTH + text)
    with pytest.raises(PolicyError) as caught:
        parse_document(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{path}:")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "decision: {}\n",
        "decision: {rule: any}\n",
        "decision: {rule: all}\n",
        "decision: {rule: all, unsafe_pass_if_outvoted: true}\n",
        "decision: {rule: weighted, threshold: 1, weights: {trigger_sweep: 1}}\n",
        "decision: {rule: weighted, threshold: 0.5, weights: {trigger_sweep: 1, model_xray: 2}}\n",
    ],
)
def test_a_sound_rule_is_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(BOTH + text)
    assert parse_document(path).name == "images"


def test_the_digest_of_a_policy_from_before_there_were_rules_is_what_it_was() -> None:
    """Frozen; anew since planes are sampled adaptively, which changes what a scan measures."""
    document = {
        "apiVersion": "xray-gate/v1",
        "kind": "Policy",
        "name": "images",
        "detectors": {"model_xray": {"mode": "optional"}, "trigger_sweep": {}},
    }
    before = "sha256:86e7e43cd9a331c523c4273c2dbff1c07b9419c0cb9dfcd9e2edda49efbc00aa"
    unsaid: list[dict[str, Any]] = [{}, {"decision": {}}, {"decision": {"rule": "any"}}]
    for same in unsaid:
        parsed = PolicyDocument.model_validate({**document, **same})
        assert Policy(parsed, None, None).digest == before


WEIGHTED = {"rule": "weighted", "weights": {SWEEP: 2, B3D: 1}, "threshold": 0.5}
CHANGES: list[dict[str, Any]] = [
    {"decision": {"rule": "all"}},
    {"decision": {"rule": "all", "unsafe_pass_if_outvoted": True}},
    {"decision": WEIGHTED},
    {"decision": {**WEIGHTED, "threshold": 0.6}},
    {"decision": {**WEIGHTED, "weights": {SWEEP: 2}}},
    {"near": {"detectors": [SWEEP]}},
    {"near": {"detectors": [SWEEP, XRAY]}},
    {"near": {"detectors": [SWEEP], "factor": 5}},
    {"near": {"detectors": [SWEEP], "margin": 0}},
]


def test_the_digest_changes_with_every_setting_of_the_rule() -> None:
    digests = [three().digest, *(three(**change).digest for change in CHANGES)]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_policy_with_a_rule_survives_its_json(change: dict[str, Any]) -> None:
    before = three(**change)
    after = Policy.from_json(before.to_json())
    assert (after, after.digest) == (before, before.digest)


@pytest.mark.parametrize("name", [SWEEP, XRAY, B3D])
def test_what_a_detector_is_told_does_not_change_with_when_it_runs(name: str) -> None:
    document = three(near={"detectors": [SWEEP]}).document
    assert document.detectors.named()[name].settings() == (
        three().document.detectors.named()[name].settings()
    )


NEAR = {"detectors": [SWEEP]}


@pytest.mark.parametrize(
    ("detectors", "said"),
    [
        ({SWEEP: {}, B3D: {"only_near": {"detectors": []}}}, "at least 1 item"),
        ({SWEEP: {}, B3D: {"only_near": {}}}, "Field required"),
        ({SWEEP: {}, B3D: {"only_near": {**NEAR, "factor": 1}}}, "greater than 1"),
        ({SWEEP: {}, B3D: {"only_near": {**NEAR, "margin": -0.1}}}, "greater than or equal to 0"),
        ({SWEEP: {}, B3D: {"only_near": {"detectors": [B3D]}}}, "should be 'model_xray' or"),
        (
            {SWEEP: {}, B3D: {"only_near": {"detectors": [SWEEP, SWEEP]}}},
            "names a detector twice; name each once",
        ),
        (
            {SWEEP: {}, B3D: {"only_near": {"detectors": [XRAY]}}},
            "b3d.only_near names model_xray, which is not used, or does not run before it; name a",
        ),
        (
            {SWEEP: {}, XRAY: {"mode": "off"}, B3D: {"only_near": {"detectors": [XRAY]}}},
            "b3d.only_near names model_xray, which is not used",
        ),
        ({XRAY: {"only_near": NEAR}, SWEEP: {}}, "model_xray.only_near names trigger_sweep, which"),
        ({SWEEP: {"only_near": NEAR}, XRAY: {}}, "trigger_sweep.only_near names trigger_sweep"),
        (
            {
                XRAY: {},
                SWEEP: {"only_near": {"detectors": [XRAY]}},
                B3D: {"only_near": NEAR},
            },
            "b3d.only_near names trigger_sweep, which has `only_near` itself; name a detector that "
            "always runs before b3d, or remove only_near",
        ),
        (
            {SWEEP: {"mode": "optional"}, B3D: {"only_near": NEAR}},
            "every required detector has `only_near`, so a version could pass without any of them;",
        ),
    ],
)
def test_a_detector_can_only_wait_for_one_that_runs_before(
    detectors: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        policy(detectors=detectors)
    assert said in str(caught.value)


def test_the_usual_rule_is_any() -> None:
    assert three().document.decision == DecisionSpec() == DecisionSpec(rule="any")
