"""What a policy does, in words."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.policy.builders import calibrated, fixed, labelled, policy
from tests.policy.outcomes import B3D, SWEEP, XRAY, three
from xray_gate.policy.explanation import explain_policy
from xray_gate.policy.files import Policy

WEIGHTED = {"rule": "weighted", "weights": {SWEEP: 2, B3D: 1}, "threshold": 0.6}


def explained(rules: Policy) -> str:
    return "\n".join(explain_policy(rules))


def test_the_whole_of_a_policy_is_explained() -> None:
    rules = three({XRAY: "optional"}, WEIGHTED, {"detectors": [SWEEP]})
    assert explain_policy(rules) == [
        f"images ({rules.digest[:19]})",
        "  For: signs*.",
        "  Enforcement: only a version that passed may be promoted.",
        "  Same bytes: what was scanned is kept by the gate, and that is what everybody downloads.",
        "  Detectors, in the order in which they run:",
        "    model_xray: optional, so what it finds counts and what it cannot tell does not. Finds "
        "something at renyi_entropy.valid below 1 (table 1 of a paper).",
        "    trigger_sweep: required, so it must pass. Finds something at p <= 0.01.",
        "    b3d: required, so it must pass.",
        "    b3d: runs only where trigger_sweep did not pass, or passed with a p-value of at most "
        "10 times its level, or trigger_sweep's excess is at least -0.1. Else it is skipped as not "
        "needed, which leaves the verdict to the others.",
        "  Verdict:",
        "    Undecided if the model cannot be asked, or is right on under 50% of the probes.",
        "    Failed if those that found something hold at least 60% of the weight of all that "
        "reached an outcome (rule weighted; trigger_sweep 2, b3d 1; others 0).",
        "    Every required one must have reached an outcome for that; else undecided.",
        "    A version that some of them suspect, but too few, is undecided and not admitted: each "
        "detector is blind to something.",
        "    Undecided if a detector crashed, or a required one could not tell.",
        "    Else passed.",
    ]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (policy(owner="platform@example.org"), "  Owner: platform@example.org."),
        (policy(description="Signs\n  of all\tkinds."), "  Description: Signs of all kinds."),
        (policy(precedence=7), "  Precedence: 7; of several policies that match, the highest"),
        (policy(), "Failed if any detector finds something, required or optional (rule any)."),
        (policy(), "Without thresholds its scores decide nothing."),
        (
            policy(calibrated(level=0.1)),
            "something at level 0.1 of calibration.json, over renyi_entropy.valid: at most 10 % of "
            "clean models that are exchangeable with the clean references of its own architecture "
            "are refused.",
        ),
        (
            policy(calibrated(unsafe_any_architecture=True)),
            "exchangeable with the clean references of any kind are refused.",
        ),
        (
            policy(calibrated(method="f1")),
            "beyond the thresholds with the highest F1 (Eq. 6) on the references of "
            "calibration.json of its own architecture, over renyi_entropy.valid. No false-positive "
            "rate is promised.",
        ),
        (
            policy(calibrated(), labelled(range(19), {"badnets": [0.5]})),
            "  Calibration small (19 clean and 1 backdoored references, 2026-11-21):\n"
            "    family sha256:kind-a (clean_0, clean_1, ...): 19 clean, 1 badnets; the clean ones "
            "reach level 0.05 and above for 1 score.\n  Verdict:",
        ),
        (policy([fixed(1.0), fixed(2.0, "above")]), "below 1 (table 1 of a paper), or renyi_"),
        (policy(training_data={"from": "model_run"}), "data: what the registrant logged as such"),
        (
            replace(policy(), training_data=Path("/data/t.npz")),
            "Training data: /data/t.npz, whichever version is scanned.",
        ),
        (policy(match=None), "For: no registered model (no `match`)."),
        (policy(enforcement="warn"), "the verdict is kept, and admits whatever it is (warn)."),
        (policy(enforcement="audit"), "the verdict is kept, and admits whatever it is (audit)."),
        (policy(min_probe_accuracy=0.8), "is right on under 80% of the probes."),
        (three({B3D: "off"}, near={"detectors": [SWEEP]}), "b3d: off.\n  Verdict:"),
        (three(near={"detectors": [XRAY]}), "runs only where model_xray did not pass, or passed"),
        (three(near={"detectors": [SWEEP], "margin": 0}), "excess is at least 0."),
        (
            three(decision={"rule": "all"}),
            "Failed if every detector that reached an outcome found something (rule all).",
        ),
        (
            three(decision={"rule": "all", "unsafe_pass_if_outvoted": True}),
            "passes with a note, if every required one passed (unsafe_pass_if_outvoted).",
        ),
    ],
)
def test_each_setting_has_its_words(rules: Policy, said: str) -> None:
    assert said in explained(rules)


def test_only_the_other_rules_speak_of_too_few() -> None:
    rules: list[dict[str, Any]] = [{"rule": "all"}, WEIGHTED]
    assert all("too few" in explained(three(decision=rule)) for rule in rules)
    assert "too few" not in explained(three())
