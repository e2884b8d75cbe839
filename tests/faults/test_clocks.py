"""The clock of a runner is moved."""

import pytest

from tests.faults.clocks import JUMPS, run_jump, run_lease_of_the_future, run_lease_of_the_past
from tests.faults.selection import rest_is_slow
from tests.faults.site import FaultSite


@pytest.mark.parametrize("when", rest_is_slow(JUMPS, ["forward and back again"]))
def test_a_clock_that_jumps_loses_nothing(site: FaultSite, when: str) -> None:
    row = run_jump(site, when)
    assert row.problems == ()
    assert row.state == "admitted"


def test_a_lease_that_seems_to_have_run_out_is_taken_by_one_only(site: FaultSite) -> None:
    row = run_lease_of_the_past(site)
    assert row.problems == ()
    assert row.state == "admitted"


def test_a_lease_of_the_future_ends_too(site: FaultSite) -> None:
    row = run_lease_of_the_future(site)
    assert row.problems == ()
    assert row.state == "admitted"
