"""Two runners at once, and more versions than one would like."""

import pytest

from tests.faults.cases import HANGS, run_hang
from tests.faults.crowds import run_together
from tests.faults.selection import rest_is_slow
from tests.faults.site import FaultSite
from tests.faults.surroundings import quick_scans

THOUSAND = 1000


@pytest.mark.parametrize("step", rest_is_slow(HANGS, ["finish: LOCK revocations"]))
def test_a_runner_that_comes_too_late_changes_nothing(site: FaultSite, step: str) -> None:
    row = run_hang(site, step)
    assert row.problems == ()
    assert row.state == "admitted"


def test_two_runners_settle_each_version_once(site: FaultSite) -> None:
    crowd = run_together(site, 6)
    assert crowd.row.problems == ()
    assert crowd.row.state == "admitted"
    assert sum(crowd.settled) == 6
    assert "; 6 with attempt 1" in crowd.row.afterwards


@pytest.mark.slow
def test_a_thousand_versions_are_settled_once_each(site: FaultSite) -> None:
    crowd = run_together(site, THOUSAND, "no model", quick_scans)
    assert crowd.row.problems == ()
    assert crowd.row.state == "admitted"
    assert sum(crowd.settled) == THOUSAND
    assert f"; {THOUSAND} with attempt 1" in crowd.row.afterwards
    for memory in crowd.memory:
        # What the first tenth needed is enough for the rest.
        assert memory[-1] < 1.1 * memory[len(memory) // 10]
