"""Other policies over evidence that is there."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.evidence import backdoored, clean, evidence_of, make_policy, unscannable
from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Verdict
from xray_gate.policy.files import Policy, PolicySet
from xray_gate.policy.replay import (
    PastScan,
    Promoted,
    Rate,
    Replayed,
    Standing,
    enforced,
    rates,
    replay,
)

PASSED = Standing(Verdict.PASSED, True)
FAILED = Standing(Verdict.FAILED, False)
NOW = 1_763_700_000.0
UNDECIDED = Standing(Verdict.UNDECIDED, False)


def nothing_is_free(policy: Policy, promoted: Promoted) -> bool:
    return False


def past(evidence: Evidence, before: Standing = PASSED, **more: Any) -> PastScan:
    facts = {"ref": "signs/1", "registered_model": "signs", **more}
    return PastScan(evidence=evidence, verdict=before.verdict, admitted=before.admits, **facts)


def bound(value: float) -> dict[str, Any]:
    threshold = {"statistic": "renyi_entropy.unclipped", "bound": value, "source": "a test"}
    return {"detectors": {"model_xray": {"thresholds": [threshold]}}}


def one(policy: Policy, scan: PastScan) -> Replayed:
    (row,) = replay(PolicySet((policy,)), [scan], nothing_is_free, NOW)
    return row


def test_a_tighter_threshold_refuses_what_passed(tmp_path: Path) -> None:
    row = one(make_policy(tmp_path, **bound(1.5)), past(evidence_of(1.2)))
    assert (row.before, row.after, row.is_changed) == (PASSED, FAILED, True)
    assert row.policy == "images"
    assert "renyi_entropy.unclipped 1.2" in row.reasons[0]


def test_the_same_policy_changes_nothing(tmp_path: Path) -> None:
    policy = make_policy(tmp_path)
    rows = replay(
        PolicySet((policy,)),
        [past(clean()), past(backdoored(), FAILED), past(unscannable(), UNDECIDED)],
        nothing_is_free,
        NOW,
    )
    assert [row.is_changed for row in rows] == [False, False, False]


def test_a_trial_admits_what_it_suspects(tmp_path: Path) -> None:
    row = one(make_policy(tmp_path, enforcement="audit"), past(backdoored(), FAILED))
    assert (row.after, row.is_changed) == (Standing(Verdict.FAILED, True), True)


def test_the_end_of_a_trial_is_seen_before_it_comes(tmp_path: Path) -> None:
    policies = PolicySet((make_policy(tmp_path, enforcement="audit"),))
    scan = past(backdoored(), Standing(Verdict.FAILED, True), promoted=(("alias", "champion"),))
    (row,) = replay(enforced(policies), [scan], nothing_is_free, NOW)
    assert (row.after, row.stopped) == (FAILED, (("alias", "champion"),))
    (now,) = replay(policies, [scan], nothing_is_free, NOW)
    assert (now.is_changed, now.stopped) == (False, ())


def test_what_no_policy_matches_is_refused(tmp_path: Path) -> None:
    row = one(make_policy(tmp_path, match={"registered_models": ["cats"]}), past(clean()))
    assert (row.policy, row.after) == (None, UNDECIDED)
    assert row.reasons == ("no policy matches 'signs'",)


def test_what_two_policies_match_is_refused(tmp_path: Path) -> None:
    policies = PolicySet((make_policy(tmp_path, "a"), make_policy(tmp_path, "b")))
    (row,) = replay(policies, [past(clean())], nothing_is_free, NOW)
    assert (row.policy, row.after) == (None, UNDECIDED)
    assert "the policies a and b match with the same precedence" in row.reasons[0]


def test_what_was_withdrawn_stays_refused_in_every_mode(tmp_path: Path) -> None:
    policy = make_policy(tmp_path, enforcement="audit")
    row = one(policy, past(clean(), UNDECIDED, withdrawn=True))
    assert (row.after, row.is_changed) == (UNDECIDED, False)


def test_only_promotions_that_need_a_verdict_would_be_refused(tmp_path: Path) -> None:
    def is_free(policy: Policy, promoted: Promoted) -> bool:
        return promoted == ("alias", "candidate")

    promoted: tuple[Promoted, ...] = (("alias", "candidate"), ("stage", "Production"))
    scan = past(evidence_of(1.2), promoted=promoted)
    (row,) = replay(PolicySet((make_policy(tmp_path, **bound(1.5)),)), [scan], is_free, NOW)
    assert row.stopped == (("stage", "Production"),)


def test_rates_are_of_labelled_versions(tmp_path: Path) -> None:
    found = {"a/1": 1.9, "b/1": 1.2, "c/1": 0.2, "d/1": 1.2, "e/1": 0.2}
    scans = [past(evidence_of(entropy), ref=ref) for ref, entropy in found.items()]
    rows = list(
        replay(PolicySet((make_policy(tmp_path, **bound(1.5)),)), scans, nothing_is_free, NOW)
    )
    before, after = rates(
        rows, {"a/1": "clean", "b/1": "clean", "c/1": "backdoored", "d/1": "backdoored"}
    )
    assert (before.refused_clean, before.refused_backdoored) == (Rate(0, 2), Rate(0, 2))
    assert (after.refused_clean, after.refused_backdoored) == (Rate(1, 2), Rate(2, 2))
    by_digest, _ = rates(rows, {"sha256:" + "ab" * 32: "clean"})
    assert by_digest.refused_clean.count == 5


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Rate(0, 0), "none is labelled"),
        (Rate(0, 20), "0 of 20 (0%; 0% to 17%)"),
        (Rate(20, 20), "20 of 20 (100%; 83% to 100%)"),
        (Rate(3, 10), "3 of 10 (30%; 7% to 65%)"),
    ],
)
def test_a_rate_says_how_sure_it_is(rate: Rate, text: str) -> None:
    assert str(rate) == text
