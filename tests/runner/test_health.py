"""When a runner counts as well, and what it says where it does not."""

import pytest

from tests.runner.watching import Clock, bad_luck, lease, settled
from tests.support.evidence import clean
from xray_gate.core.errors import LeaseLost
from xray_gate.runner.events import (
    Claimed,
    FailureKind,
    Looked,
    LookFailed,
    Lost,
    PutBack,
    RenewalFailed,
    Renewed,
    RunnerEvent,
)
from xray_gate.runner.health import RunnerHealth

SILENT_AFTER = 60.0


class Patient:
    """A runner's health, with a clock that a test turns."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.health = RunnerHealth(SILENT_AFTER, self.clock)

    def after(self, seconds: float, *events: RunnerEvent) -> tuple[str, ...]:
        """What is wrong once these events have come, `seconds` later."""
        self.clock.now += seconds
        for event in events:
            self.health(event)
        return self.health.check().reasons


@pytest.fixture
def patient() -> Patient:
    return Patient()


def test_a_runner_is_not_well_before_the_registry_answered(patient: Patient) -> None:
    (reason,) = patient.after(1)
    assert reason == "the registry has not answered yet; check --registry-uri"
    assert patient.after(0, Looked(idle=True)) == ()
    assert patient.health.check().healthy


def test_a_registry_that_never_answered_is_told_with_the_errors_class(patient: Patient) -> None:
    (reason,) = patient.after(1, LookFailed(bad_luck()))
    assert reason == "the registry has not answered yet (ConnectionError); check --registry-uri"


def test_a_runner_that_looks_stays_well(patient: Patient) -> None:
    for _ in range(10):
        assert patient.after(50, Looked(idle=True)) == ()


def test_a_registry_that_is_away_too_long_is_told_until_it_is_back(patient: Patient) -> None:
    patient.after(0, Looked(idle=True))
    assert patient.after(60, LookFailed(bad_luck())) == ()
    (reason,) = patient.after(1, LookFailed(bad_luck()))
    wanted = "the registry has not answered for 61 s (ConnectionError); check the database"
    assert reason == wanted
    assert patient.after(1, Looked(idle=True)) == ()


def test_a_loop_that_does_not_go_round_is_told(patient: Patient) -> None:
    patient.after(0, Looked(idle=True))
    reasons = patient.after(61)
    assert "the loop has not gone round for 61 s" in reasons[-1]
    assert "the registry has not answered for 61 s" in reasons[0]


def test_a_loop_that_hangs_before_its_first_look_is_told(patient: Patient) -> None:
    assert "the loop has not gone round" in patient.after(61)[-1]


def test_a_long_scan_is_well_as_long_as_its_lease_is_renewed(patient: Patient) -> None:
    patient.after(0, Looked(idle=False), Claimed(lease()))
    for _ in range(240):
        assert patient.after(15, Renewed(lease())) == ()
    assert patient.health.check().holding == 3_600
    assert patient.after(1, settled(clean())) == ()
    assert patient.health.check().holding is None


def test_renewals_that_fail_during_a_scan_are_told(patient: Patient) -> None:
    patient.after(0, Looked(idle=False), Claimed(lease()))
    (reason,) = patient.after(61, RenewalFailed(lease(), bad_luck()))
    wanted = "the registry has not answered for 61 s (ConnectionError); check the database"
    assert reason == wanted
    assert patient.after(1, Renewed(lease())) == ()


def test_a_scan_that_goes_on_without_its_lease_is_told_as_what_it_is(patient: Patient) -> None:
    patient.after(0, Looked(idle=False), Claimed(lease()))
    assert patient.after(15, RenewalFailed(lease(), LeaseLost("gone; wait"))) == ()
    (reason,) = patient.after(46)
    assert reason.startswith("the lease was lost, and the scan has gone on for 61 s without; ")
    assert patient.after(1, Lost(lease())) == ()


def test_leases_that_are_lost_in_a_row_are_told(patient: Patient) -> None:
    lost = (Looked(idle=False), Claimed(lease()), Lost(lease()))
    assert patient.after(1, *lost) == ()
    assert patient.after(1, *lost) == ()
    (reason,) = patient.after(1, *lost)
    assert reason.startswith("3 leases in a row were lost; ")
    assert patient.after(1, Looked(idle=True)) == ()


@pytest.mark.parametrize(
    "event",
    [
        settled(clean()),
        PutBack(lease(), FailureKind.BUG, 30.0, "oh"),
    ],
)
def test_a_lease_that_was_kept_breaks_the_row(event: RunnerEvent, patient: Patient) -> None:
    for _ in range(2):
        patient.after(1, Looked(idle=False), Claimed(lease()), Lost(lease()))
    patient.after(1, Looked(idle=False), Claimed(lease()), event)
    assert patient.after(1, Looked(idle=False), Claimed(lease()), Lost(lease())) == ()


def test_errors_are_told_by_their_class_alone(patient: Patient) -> None:
    patient.after(0, LookFailed(bad_luck()), RenewalFailed(lease(), bad_luck()))
    assert "secret" not in str(patient.health.check())


def test_what_the_registry_did_not_take_is_no_longer_held(patient: Patient) -> None:
    patient.after(0, Looked(idle=False), Claimed(lease()), LookFailed(bad_luck()))
    assert patient.health.check().holding is None
    assert len(patient.after(61)) == 2
