"""A runner is killed at every step; a sound one goes on, and nothing contradicts anything."""

import pytest

from tests.faults.cases import look_for_problems, run_fault, run_put_back
from tests.faults.instrument import Fault
from tests.faults.selection import rest_is_slow
from tests.faults.site import FaultSite
from tests.faults.steps import PUT_BACK, SQL, STEPS

# A model need not be asked to get there. Renewals need a scan that lasts.
QUICK = [step for step in SQL if not step.startswith("renew:")]
SCANNING = [step for step in STEPS if step not in QUICK]


def test_every_step_of_a_sound_run_is_named(site: FaultSite) -> None:
    """What a later change adds to a run has to be killed at, too."""
    site.register()
    runner = site.runner(awaited="renew: committed", renew_seconds=0.05)
    assert runner.ended() == 0
    assert set(runner.trail) == set(STEPS)
    assert look_for_problems(site) == []


@pytest.mark.parametrize(
    "step", rest_is_slow(QUICK, [s for s in QUICK if s.startswith(("claim", "finish"))])
)
def test_a_runner_that_is_killed_at_a_statement_loses_nothing(site: FaultSite, step: str) -> None:
    row = run_fault(site, step, Fault.KILL, quick=True)
    assert row.problems == ()
    assert row.state == "admitted"


@pytest.mark.parametrize(
    "step",
    rest_is_slow(
        SCANNING,
        [
            "fetch: some files are here",
            "scan: the model's process has begun",
            "scan: model_xray is asking",
            "renew: COMMIT",
            "keep: half of the first file is sent",
            "keep: ends",
            "publish: some files are sent",
            "publish: ends",
        ],
    ),
)
def test_a_runner_that_is_killed_while_it_scans_loses_nothing(site: FaultSite, step: str) -> None:
    row = run_fault(site, step, Fault.KILL)
    assert row.problems == ()
    assert row.state == "admitted"


@pytest.mark.parametrize("step", PUT_BACK)
def test_a_runner_that_is_killed_while_it_puts_back_loses_nothing(
    site: FaultSite, step: str
) -> None:
    row = run_put_back(site, step, quick=True)
    assert row.problems == ()
    assert row.state == "admitted"


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_runner_that_is_killed_loses_nothing_on_postgresql(
    postgres_site: FaultSite, step: str
) -> None:
    row = run_fault(postgres_site, step, Fault.KILL)
    assert row.problems == ()
    assert row.state == "admitted"
