"""Detectors of plug-ins in a policy, and the rule that judges them without knowing them."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.policy.builders import PREPROCESSING, evidence, harmless, policy
from xray_gate.core.access import Access
from xray_gate.core.errors import PolicyError
from xray_gate.core.evidence import DetectorEvidence, RunState
from xray_gate.core.verdict import DetectorJudgement, Outcome, Verdict
from xray_gate.policy.decision import decide
from xray_gate.policy.explanation import explain_policy
from xray_gate.policy.files import Policy
from xray_gate.policy.judgement import judge
from xray_gate.policy.review import findings
from xray_gate.policy.text import parse_document

reproducible = settings(derandomize=True, deadline=None, max_examples=200)
NAME = "noise_share"
PARAMETERS = {"images": 200}


def bound(statistic: str = "score", at: float = 0.9, side: str = "above") -> dict[str, Any]:
    return {"statistic": statistic, "bound": at, "suspicious": side, "source": "a table"}


def rules(*bounds: Mapping[str, Any], **changes: Any) -> Policy:
    spec = {"parameters": PARAMETERS, "thresholds": list(bounds), **changes}
    return policy(detectors={"trigger_sweep": {}, "others": {NAME: spec}})


def measured(statistics: Mapping[str, Any], **changes: Any) -> DetectorEvidence:
    done = DetectorEvidence(
        NAME,
        Access.HARD_LABEL,
        RunState.COMPLETED,
        statistics=statistics,
        parameters={**PARAMETERS, "query_budget": 200},
    )
    return replace(done, **changes)


def judged(wanted: Policy, found: DetectorEvidence, **changes: Any) -> DetectorJudgement:
    return judge(wanted, evidence(found, **changes), found)


@pytest.mark.parametrize(
    ("side", "score", "outcome"),
    [
        ("above", 0.89, Outcome.PASSED),
        ("above", 0.9, Outcome.FAILED),
        ("above", 0.91, Outcome.FAILED),
        ("below", 0.91, Outcome.PASSED),
        ("below", 0.9, Outcome.FAILED),
        ("below", -5, Outcome.FAILED),
    ],
)
def test_a_score_at_its_bound_or_beyond_fails(side: str, score: float, outcome: Outcome) -> None:
    answer = judged(rules(bound(side=side)), measured({"score": score}))
    assert (answer.name, answer.outcome) == (NAME, outcome)
    assert answer.thresholds == {"score": {"bound": 0.9, "suspicious": side, "source": "a table"}}
    if outcome is Outcome.FAILED:
        assert answer.reason == f"score {score:.4g} is beyond 0.9 (a table)"
    else:
        assert answer.reason == "no score is beyond its bound (score)"


def test_a_path_leads_into_the_statistics() -> None:
    wanted = rules(bound("by_label.largest.share"))
    found = {"by_label": {"largest": {"share": 0.95}}}
    assert judged(wanted, measured(found)).outcome is Outcome.FAILED


@pytest.mark.parametrize("score", [math.nan, math.inf, None, True, "0.95", [0.95], {"at": 0.95}])
def test_what_is_no_finite_number_is_inconclusive(score: Any) -> None:
    answer = judged(rules(bound()), measured({"score": score}))
    assert answer.outcome is Outcome.INCONCLUSIVE
    assert "no number for score; correct the name in the policy's thresholds" in str(answer.reason)


@pytest.mark.parametrize("statistics", [{}, {"other": 1}, [], None, {"a": 1, "a.b": 2}])
def test_a_missing_statistic_is_inconclusive(statistics: Any) -> None:
    wanted = rules(bound("a.b", 9))
    assert judged(wanted, measured(statistics)).outcome is Outcome.INCONCLUSIVE


def test_a_missing_statistic_does_not_hide_a_finding() -> None:
    wanted = rules(bound("gone"), bound("score"))
    assert judged(wanted, measured({"score": 0.95})).outcome is Outcome.FAILED
    assert judged(wanted, measured({"score": 0.5})).outcome is Outcome.INCONCLUSIVE


def test_every_finding_is_told() -> None:
    wanted = rules(bound("a"), bound("b", 0.1, "below"), bound("c"))
    answer = judged(wanted, measured({"a": 1, "b": 0, "c": 0}))
    assert answer.reason == "a 1 is beyond 0.9 (a table); b 0 is beyond 0.1 (a table)"


def test_without_thresholds_it_only_informs() -> None:
    answer = judged(rules(), measured({"score": 1.0}))
    assert answer.outcome is Outcome.INCONCLUSIVE
    assert "add detectors.others.noise_share.thresholds" in str(answer.reason)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"images": 100}, "images was 100, and the policy says 200"),
        ({}, "images was None, and the policy says 200"),
        (
            {**PARAMETERS, "depth": 3, "area": 1},
            "parameters that the policy does not name (area: 1, depth: 3); add them to "
            "detectors.others.noise_share.parameters",
        ),
    ],
)
def test_what_was_measured_otherwise_cannot_be_judged(
    parameters: dict[str, Any], said: str
) -> None:
    answer = judged(rules(bound()), measured({"score": 0.5}, parameters=parameters))
    assert answer.outcome is Outcome.INCONCLUSIVE
    assert said in str(answer.reason)


def test_another_preprocessing_cannot_be_judged() -> None:
    other = {"preprocessing": {**PREPROCESSING, "scale": 255.0}}
    found = measured({"score": 0.5})
    answer = judge(rules(bound()), evidence(found, environment=other), found)
    assert answer.outcome is Outcome.INCONCLUSIVE


def test_a_plug_in_that_the_policy_does_not_name_has_no_say() -> None:
    found = measured({"score": 1.0}, name="other_share")
    answer = judged(rules(bound()), found)
    assert (answer.outcome, answer.reason) == (
        Outcome.INCONCLUSIVE,
        "the policy has no rule for this detector",
    )


@pytest.mark.parametrize(
    ("mode", "score", "verdict"),
    [
        ("required", 0.5, Verdict.PASSED),
        ("required", 0.95, Verdict.FAILED),
        ("required", None, Verdict.UNDECIDED),
        ("optional", 0.95, Verdict.FAILED),
        ("optional", None, Verdict.PASSED),
        ("off", 0.95, Verdict.PASSED),
    ],
)
def test_it_counts_as_every_other_detector(mode: str, score: Any, verdict: Verdict) -> None:
    wanted = rules(bound(), mode=mode)
    found = evidence(harmless(), measured({"score": score}))
    assert decide(wanted, found).verdict is verdict


def test_a_required_one_that_was_not_installed_leaves_the_verdict_undecided() -> None:
    missing = measured({}, state=RunState.SKIPPED, reason="not installed; install it")
    decision = decide(rules(bound()), evidence(harmless(), missing))
    assert decision.verdict is Verdict.UNDECIDED
    assert decision.reasons == ("noise_share: not installed; install it",)


def test_it_takes_part_in_the_rule_and_in_escalation() -> None:
    spec = {
        "parameters": PARAMETERS,
        "thresholds": [bound()],
        "only_near": {"detectors": ["trigger_sweep"]},
    }
    weighted = {"rule": "weighted", "weights": {NAME: 1, "trigger_sweep": 3}, "threshold": 0.5}
    wanted = policy(detectors={"trigger_sweep": {}, "others": {NAME: spec}}, decision=weighted)
    far = harmless(excess=-0.5)
    left_out = measured({}, state=RunState.SKIPPED, reason="r")
    assert decide(wanted, evidence(far, left_out)).verdict is Verdict.PASSED
    found = measured({"score": 1.0})
    assert decide(wanted, evidence(far, found)).verdict is Verdict.UNDECIDED


scores = st.floats() | st.integers() | st.none() | st.booleans() | st.text(max_size=2)


@reproducible
@given(st.dictionaries(st.sampled_from("abc"), scores), st.floats(-2, 2), st.floats(-2, 2))
def test_a_pass_means_that_every_score_is_a_number_on_the_good_side(
    statistics: dict[str, Any], low: float, high: float
) -> None:
    wanted = rules(bound("a", low, "below"), bound("b", high))
    answer = judged(wanted, measured(statistics))
    assert answer.reason
    if answer.outcome is Outcome.PASSED:
        for name in "ab":
            assert isinstance(statistics[name], int | float)
            assert math.isfinite(statistics[name])
        assert statistics["a"] > low
        assert statistics["b"] < high


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "a side that there is not": ({"thresholds": [bound(side="both")]}, "'below' or 'above'"),
    "a path with a gap": ({"thresholds": [bound("a..b")]}, "match pattern"),
    "no path": ({"thresholds": [bound("")]}, "match pattern"),
    "a bound that is no number": ({"thresholds": [bound(at=math.nan)]}, "finite number"),
    "the same statistic twice": (
        {"thresholds": [bound(), bound(side="below")]},
        "thresholds names a statistic twice; name each once",
    ),
    "a parameter that is not JSON": (
        {"parameters": {"a": {1, 2}}},
        "hold something that is not JSON; use text, finite numbers, lists",
    ),
    "a parameter that is no number": ({"parameters": {"a": math.inf}}, "that is not JSON"),
    "an unknown setting": ({"levl": 1}, "Extra inputs are not permitted"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_spec_is_refused(case: str) -> None:
    changes, said = BROKEN[case]
    with pytest.raises(ValidationError) as caught:
        rules(**changes)
    assert said in str(caught.value)


HEAD = "apiVersion: xray-gate/v1\nkind: Policy\nname: images\ndetectors:\n  trigger_sweep: {}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "  others:\n    noise_share:\n      treshold: []\n",
            ":8: detectors.others.noise_share.treshold: is not a setting; did you mean `thr",
        ),
        (
            "  others:\n    noise_share:\n      thresholds:\n        - {statistik: a}\n",
            ":9: detectors.others.noise_share.thresholds.0.statistik: is not a setting; did you "
            "mean `statistic`?",
        ),
        (
            "  others: {model_xray: {}}\n",
            ":6: detectors.others: model_xray is no detector of a plug-in; name it under",
        ),
        ("  others: {Noise-Share: {}}\n", ":6: detectors.others.Noise-Share: String should match"),
        ("  others: {noise_share: }\n", ":6: detectors.others.noise_share: "),
        ("  others:\n", ":6: detectors.others: says nothing; write `{}`"),
        (
            "  triger_sweep: {}\n",
            "detectors.triger_sweep: is not a setting; did you mean `trigger_",
        ),
        ("  noise_share: {}\n", "detectors.noise_share: is not a setting; allowed: model_xray, "),
    ],
)
def test_mistakes_are_named_with_file_line_and_remedy(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(HEAD + text)
    with pytest.raises(PolicyError) as caught:
        parse_document(path)
    assert said in str(caught.value)


def test_nobody_among_others_leaves_no_mark_on_the_digest() -> None:
    alone = policy(detectors={"trigger_sweep": {}})
    assert policy(detectors={"trigger_sweep": {}, "others": {}}).digest == alone.digest
    assert rules().digest != alone.digest
    assert rules().digest != rules(bound()).digest != rules(bound(), mode="optional").digest


def test_it_survives_its_json() -> None:
    before = rules(bound(), only_near={"detectors": ["trigger_sweep"]})
    after = Policy.from_json(before.to_json())
    assert (after, after.digest) == (before, before.digest)


def test_others_are_named_last_in_the_order_of_their_names() -> None:
    detectors = policy(
        detectors={"others": {"zeta": {}, "alpha": {}}, "trigger_sweep": {}, "model_xray": {}}
    ).document.detectors
    assert list(detectors.named()) == ["model_xray", "trigger_sweep", "alpha", "zeta"]
    assert list(detectors.only("zeta").named()) == ["zeta"]
    assert list(detectors.only("model_xray").named()) == ["model_xray"]
    assert detectors.mode("alpha") == "required"


def test_review_and_explanation_know_them() -> None:
    (first, *_) = findings(rules())
    assert first.startswith("noise_share is required and has no thresholds, so nothing can pass;")
    assert not any("noise_share" in text for text in findings(rules(mode="optional")))
    explained = "\n".join(explain_policy(rules(bound(), mode="optional")))
    assert "Finds something at score above 0.9 (a table)." in explained
    assert "noise_share: optional, so what it finds counts" in explained
    assert "noise_share: required, so it must pass. Without" in "\n".join(explain_policy(rules()))
