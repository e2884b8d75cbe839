"""The server is killed in the middle of what it does: all of it stays, or nothing."""

import pytest

from tests.faults.gate_cases import CALLS, DELETE, PROMOTE, REGISTER, RESCAN, REVOKE, kill_calls
from tests.faults.selection import rest_is_slow
from tests.faults.site import FaultSite

# Before the COMMIT, and after it.
STATES = {
    REGISTER: ("not registered", "admitted"),
    PROMOTE: ("admitted", "admitted"),
    REVOKE: ("admitted", "revoked"),
    DELETE: ("admitted", "deleted"),
    RESCAN: ("refused", "refused"),
}


@pytest.mark.parametrize("name", rest_is_slow(CALLS, [REGISTER, PROMOTE]))
def test_a_server_that_is_killed_leaves_all_of_it_or_nothing(site: FaultSite, name: str) -> None:
    rows = kill_calls(site, name)
    assert [row.step for row in rows[-2:]] == [f"{name}: COMMIT", f"{name}: committed"]
    assert [(row.step, row.problems) for row in rows if row.problems] == []
    *before, after = rows
    nothing, everything = STATES[name]
    assert {row.state for row in before} == {nothing}
    assert after.state == everything
    promoted = ["alias champion" in row.afterwards for row in rows]
    assert promoted == [False] * len(before) + [name == PROMOTE]
    verdicts = [row.afterwards.count(" verdict") for row in before]
    assert set(verdicts) == {0 if name == REGISTER else 1}
    assert after.afterwards.count(" verdict") == {REVOKE: 2, DELETE: 0, RESCAN: 2}.get(name, 1)
