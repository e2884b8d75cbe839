"""A part fails half-way, a disk is full, a model's process dies."""

import pytest

from tests.faults.cases import run_fault
from tests.faults.failures import (
    DISKS,
    LASTING,
    MODEL,
    OUTSIDE,
    may_mount,
    run_deaths,
    run_full_disk,
    run_full_sqlite,
    run_lasting,
    run_late_copy,
)
from tests.faults.instrument import Fault
from tests.faults.selection import rest_is_slow
from tests.faults.site import FaultSite

QUICK = (
    ("fetch: some files are here", Fault.NO_SPACE),
    ("keep: some files are sent", Fault.NO_SPACE),
    ("sign: begins", Fault.NO_SPACE),
    ("publish: some files are sent", Fault.NO_SPACE),
    ("finish: COMMIT", Fault.DATABASE_ERROR),
    ("finish: committed", Fault.DATABASE_ERROR),
)


@pytest.mark.parametrize(("step", "fault"), rest_is_slow(OUTSIDE, QUICK))
def test_what_is_not_the_models_fault_is_tried_again(
    site: FaultSite, step: str, fault: Fault
) -> None:
    row = run_fault(site, step, fault)
    assert row.problems == ()
    assert row.state == "admitted"


@pytest.mark.parametrize(("step", "fault"), rest_is_slow(MODEL, MODEL[2:]))
def test_a_model_whose_process_dies_is_refused(site: FaultSite, step: str, fault: Fault) -> None:
    row = run_fault(site, step, fault)
    assert row.problems == ()
    assert row.state == "refused"
    assert "undecided verdict" in row.afterwards


@pytest.mark.parametrize("which", DISKS)
def test_a_disk_that_is_really_full_loses_nothing(site: FaultSite, which: str) -> None:
    if not may_mount(site):
        pytest.skip("this machine does not let its tests mount a disk of their own")
    row = run_full_disk(site, which)
    assert row.problems == ()
    assert row.state == "admitted"


def test_a_database_that_is_full_loses_nothing(site: FaultSite) -> None:
    row = run_full_sqlite(site)
    assert row.problems == ()
    assert row.state == "admitted"


def test_a_runner_that_comes_too_late_cannot_break_what_is_kept(site: FaultSite) -> None:
    row = run_late_copy(site)
    assert row.problems == ()
    assert row.state == "admitted"


@pytest.mark.parametrize(("step", "fault"), rest_is_slow(LASTING, LASTING[:1]))
def test_what_never_works_is_given_up_until_a_person_says_otherwise(
    site: FaultSite, step: str, fault: Fault
) -> None:
    given_up, again = run_lasting(site, step, fault)
    assert (given_up.state, given_up.problems) == ("dead_letter", ())
    assert "4 attempts; undecided verdict" in given_up.afterwards
    assert (again.state, again.problems) == ("admitted", ())


@pytest.mark.slow
def test_a_version_whose_runners_all_die_is_given_up(site: FaultSite) -> None:
    given_up, again = run_deaths(site, "scan: the model is open")
    assert (given_up.state, given_up.problems) == ("dead_letter", ())
    assert "undecided verdict" in given_up.afterwards
    assert (again.state, again.problems) == ("admitted", ())
