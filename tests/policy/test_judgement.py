"""Which rule is asked, and when none is."""

from typing import Any

import pytest

from tests.policy.builders import evidence, fixed, harmless, policy, swept, xray
from xray_gate.core.access import Access
from xray_gate.core.evidence import DetectorEvidence, RunState
from xray_gate.core.verdict import DetectorJudgement, Outcome
from xray_gate.policy.detector_specs import Detectors
from xray_gate.policy.judgement import RULES, judge

BOTH = policy([fixed(1.0)], trigger_sweep={})


def judged(found: DetectorEvidence, **changes: Any) -> DetectorJudgement:
    return judge(policy([fixed(1.0)], **changes), evidence(found), found)


def test_every_detector_that_a_policy_can_name_has_a_rule() -> None:
    assert set(RULES) == set(Detectors.model_fields) - {"others"}


def test_each_detector_is_judged_by_its_own_rule() -> None:
    good, bad = xray({"renyi_entropy.valid": 2.0}), xray({"renyi_entropy.valid": 0.5})
    for found, outcome, threshold in (
        (good, Outcome.PASSED, "renyi_entropy.valid"),
        (bad, Outcome.FAILED, "renyi_entropy.valid"),
        (harmless(), Outcome.PASSED, "p_value"),
        (swept(), Outcome.FAILED, "p_value"),
    ):
        answer = judge(BOTH, evidence(found), found)
        assert (answer.name, answer.outcome) == (found.name, outcome)
        assert list(answer.thresholds) == [threshold]


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (RunState.ERRORED, Outcome.ERRORED),
        (RunState.SKIPPED, Outcome.SKIPPED),
        (RunState.INCONCLUSIVE, Outcome.INCONCLUSIVE),
    ],
)
@pytest.mark.parametrize("name", ["model_xray", "trigger_sweep", "from_the_future"])
def test_a_run_that_did_not_complete_is_judged_by_its_state(
    state: RunState, outcome: Outcome, name: str
) -> None:
    found = DetectorEvidence(name, Access.HARD_LABEL, state, reason="because")
    answer = judge(BOTH, evidence(found), found)
    assert (answer.outcome, answer.reason) == (outcome, "because")


def test_a_detector_without_a_rule_is_inconclusive() -> None:
    found = DetectorEvidence("oracle_of_delphi", Access.SOFT_LABEL, RunState.COMPLETED)
    answer = judged(found)
    assert answer.outcome is Outcome.INCONCLUSIVE
    assert answer.reason == "the policy has no rule for this detector"


@pytest.mark.parametrize("settings", [{}, {"trigger_sweep": {"mode": "off"}}])
@pytest.mark.parametrize("found", [swept(), harmless()], ids=["found", "harmless"])
def test_what_the_policy_does_not_use_neither_passes_nor_fails(
    found: DetectorEvidence, settings: dict[str, Any]
) -> None:
    answer = judged(found, **settings)
    assert answer.outcome is Outcome.SKIPPED
    assert answer.reason == "it was measured, but the policy images does not use it"
