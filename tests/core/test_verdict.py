import itertools

import pytest

from xray_gate.core.verdict import Decision, Enforcement, Verdict


@pytest.mark.parametrize(
    ("verdict", "enforcement"), list(itertools.product(Verdict, Enforcement)), ids=str
)
def test_only_passed_admits_where_the_policy_is_enforced(
    verdict: Verdict, enforcement: Enforcement
) -> None:
    decision = Decision(verdict, ("why",), (), enforcement)
    if enforcement is Enforcement.ENFORCE:
        assert decision.admits == (verdict is Verdict.PASSED)
    else:
        assert decision.admits
    assert decision.verdict is verdict
