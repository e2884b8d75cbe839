"""What fails for a reason other than the model is tried again, and given up in the end."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.runner.test_logged_training import FROM_THE_RUN
from tests.runner.test_loop import Bench
from tests.support.evidence import backdoored, clean, evidence_of
from tests.support.gate import Gate, assert_refused
from xray_gate.core.errors import ScanError, Unavailable
from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision
from xray_gate.ledger.tables import scans, verdicts
from xray_gate.policy.files import Policy
from xray_gate.registry.rescanning import rescan
from xray_gate.registry.work import RegistryWork
from xray_gate.runner.loop import Runner
from xray_gate.runner.parts import Retries
from xray_gate.scan.work import (
    Lease,
    MissingTraining,
    Registration,
    ScanOutput,
    Settlement,
    VersionKey,
    VersionState,
)

NOW = 1_700_000_000.0


class Clocked(Bench):
    """A bench whose queue tells a time that the test sets."""

    def __init__(self, gate: Gate, folder: Path) -> None:
        self.now = NOW
        super().__init__(gate, folder)
        self.parts = replace(
            self.parts, retries=Retries(tries=3, first_pause=30.0, factor=4.0, short_pauses=())
        )

    def queue(self, lease_seconds: float = 60.0) -> RegistryWork:
        maker = self.gate.plain.ManagedSessionMaker
        return RegistryWork(maker, self.gate.ledger, "bench", lease_seconds, lambda: self.now)

    def registration(self) -> Registration:
        found = self.gate.registration()
        assert found is not None
        return found

    def run_to_the_end(self) -> list[float]:
        """Let time pass until nothing waits; after how many seconds each further try came."""
        pauses: list[float] = []
        while True:
            settled = self.run()
            waiting = self.registration()
            if waiting.retry_at is None:
                assert settled == 1
                return pauses
            assert settled == 0
            pauses.append(waiting.retry_at - self.now)
            self.now = waiting.retry_at


@pytest.fixture
def bench(sqlite_database: str, tmp_path: Path) -> Clocked:
    found = Clocked(Gate(sqlite_database, tmp_path / "policies"), tmp_path / "files")
    found.gate.register()
    return found


def broken_store(bench: Clocked) -> None:
    bench.files.away = True


def broken_scan(bench: Clocked) -> None:
    def fail() -> Evidence:
        raise ZeroDivisionError("division by zero")

    bench.scans.find = fail


def broken_snapshots(bench: Clocked) -> None:
    bench.kept.error = ScanError("the scanned bytes could not be kept (no room)")


def broken_signer(bench: Clocked) -> None:
    def sign(output: ScanOutput, decision: Decision, policy: Policy) -> str | None:
        if output.evidence.model.digest == "unknown":
            return None
        raise PermissionError("the key cannot be read")

    bench.parts = replace(bench.parts, sign=sign)


def broken_evidence(bench: Clocked) -> None:
    """Evidence is JSON: a detector that lets NaN through must not keep a version pending."""
    bench.scans.find = lambda: evidence_of(float("nan"))


FAULTS: dict[Callable[[Clocked], None], str] = {
    broken_store: "the store is away",
    broken_scan: "a bug of ours: ZeroDivisionError: division by zero",
    broken_snapshots: "the scanned bytes could not be kept (no room)",
    broken_signer: "a bug of ours: PermissionError: the key cannot be read",
    broken_evidence: "not JSON compliant",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_that_stays_ends_in_a_dead_letter(
    bench: Clocked, fault: Callable[[Clocked], None]
) -> None:
    fault(bench)
    assert bench.run_to_the_end() == [30.0, 120.0]
    assert bench.registration().state is VersionState.DEAD_LETTER
    assert bench.version().status == "FAILED_REGISTRATION"
    assert FAULTS[fault] in bench.version().status_message
    assert (bench.count(scans), bench.count(verdicts)) == (1, 1)
    assert bench.run() == 0
    with assert_refused("the verdict under policy images is undecided"):
        bench.gate.store.set_registered_model_alias("signs", "champion", 1)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_version_that_is_tried_again_waits_and_says_why(
    bench: Clocked, fault: Callable[[Clocked], None]
) -> None:
    fault(bench)
    assert bench.run() == 0
    waiting = bench.registration()
    assert waiting.state is VersionState.WAITING
    assert waiting.failure is not None
    assert FAULTS[fault] in waiting.failure
    assert bench.version().status == "PENDING_REGISTRATION"
    # As it stands there: the gate's store would speak of runners, whose last sign is old.
    message = bench.gate.plain.get_model_version("signs", 1).status_message
    assert message.startswith("xray-gate: try 1 to scan it failed: ")
    assert message.endswith("Next try: 2023-11-14T22:13:50Z.")
    assert bench.said[-1].startswith("signs/1: try 1 of 3 failed, the next one is in 30 s (")
    assert (bench.count(scans), bench.count(verdicts)) == (0, 0)
    # Not before its time.
    bench.now += 29.9
    assert bench.queue().claim() is None
    with assert_refused("it waits for a scan"):
        bench.gate.store.set_registered_model_alias("signs", "champion", 1)


def test_a_fault_that_goes_leaves_no_trace(bench: Clocked) -> None:
    bench.files.away = True
    bench.run()
    bench.files.away = False
    bench.now += 30.0
    assert bench.run() == 1
    assert bench.version().status == "READY"
    assert bench.registration().failure is None
    assert (bench.count(scans), bench.count(verdicts)) == (1, 1)


def test_others_are_not_held_up(bench: Clocked) -> None:
    bench.files.away = True
    bench.run()
    bench.files.away = False
    bench.gate.register()
    assert bench.run() == 1
    assert bench.version(number=2).status == "READY"


def test_a_bug_is_logged_with_its_traceback(
    bench: Clocked, caplog: pytest.LogCaptureFixture
) -> None:
    broken_scan(bench)
    bench.run()
    assert "the scan of models:/signs/1 failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_suspicion_is_no_fault(bench: Clocked) -> None:
    """It stands, and at once, though nothing can be kept."""
    bench.scans.find = backdoored
    broken_snapshots(bench)
    assert bench.run() == 1
    assert bench.registration().state is VersionState.REFUSED


def test_a_dead_letter_keeps_what_was_measured_before(bench: Clocked) -> None:
    broken_snapshots(bench)
    bench.run_to_the_end()
    with bench.gate.connection() as connection:
        evidence = bench.gate.ledger.evidence_of(connection, bench.registration())
    assert evidence is not None
    assert evidence.model == clean().model
    assert evidence.obstacle is not None


def test_a_trial_admits_what_was_given_up(bench: Clocked) -> None:
    bench.gate.set_policy(enforcement="audit")
    # Whoever waits lets the runner know of it.
    bench.version()
    broken_store(bench)
    bench.run_to_the_end()
    assert bench.registration().state is VersionState.ADMITTED
    assert bench.version().tags["xray_gate.verdict"] == "undecided"


def test_training_data_that_are_away_are_waited_for_as_long_as_there_is_a_try(
    bench: Clocked,
) -> None:
    bench.gate.set_policy(training_data=FROM_THE_RUN)
    bench.gate.register("signs-b")
    bench.gate.store.delete_registered_model("signs")
    bench.logged.error = Unavailable("the data could not be fetched (the store is away)")
    assert bench.run() == 0
    bench.now += 30.0
    assert bench.run() == 0
    assert bench.scans.asked == []
    bench.now += 120.0
    # The last try does what can be done without them.
    assert bench.run() == 1
    assert bench.scans.logged == [MissingTraining(str(bench.logged.error))]
    assert bench.version("signs-b").status == "READY"


def test_a_database_that_is_away_for_a_moment_costs_no_scan(bench: Clocked) -> None:
    class Flaky(RegistryWork):
        failures = 2

        def finish(self, lease: Lease, settlement: Settlement) -> Decision:
            if self.failures:
                self.failures -= 1
                raise ConnectionError("the database is away")
            return super().finish(lease, settlement)

    queue = Flaky(bench.gate.plain.ManagedSessionMaker, bench.gate.ledger, "flaky")
    settled = bench.run(queue=queue, retries=Retries(short_pauses=(0.01, 0.01)))
    assert (settled, queue.failures) == (1, 0)
    assert len(bench.scans.asked) == 1
    assert bench.version().status == "READY"


def test_a_database_that_is_away_for_long_leaves_the_version_to_the_lease(bench: Clocked) -> None:
    class Gone(RegistryWork):
        def finish(self, lease: Lease, settlement: Settlement) -> Decision:
            raise ConnectionError("the database is away")

        def put_back(self, lease: Lease, reason: str, pause: float) -> None:
            raise ConnectionError("the database is away")

    queue = Gone(
        bench.gate.plain.ManagedSessionMaker, bench.gate.ledger, "gone", 60.0, lambda: bench.now
    )
    with pytest.raises(ConnectionError):
        Runner(replace(bench.parts, queue=queue)).run_once()
    assert bench.run() == 0
    bench.now += 60.0
    assert bench.run() == 1
    assert bench.version().status == "READY"


def test_a_dead_letter_can_be_scanned_again(bench: Clocked) -> None:
    bench.files.away = True
    bench.run_to_the_end()
    bench.files.away = False
    maker, key = bench.gate.plain.ManagedSessionMaker, VersionKey("default", "signs", 1)
    rescan(maker, bench.gate.ledger, key, "ann", bench.now)
    assert bench.version().status == "PENDING_REGISTRATION"
    assert bench.registration().attempts == 0
    assert bench.run() == 1
    assert bench.version().status == "READY"
    assert (bench.count(scans), bench.count(verdicts)) == (2, 2)
    bench.gate.store.set_registered_model_alias("signs", "champion", 1)


def test_the_lease_of_a_version_that_is_put_back_is_gone(bench: Clocked) -> None:
    slow = bench.queue().claim()
    assert slow is not None
    bench.now += 60.0
    bench.files.away = True
    bench.run()
    assert bench.registration().attempts == 2
    policy = bench.gate.parts.policies().match("signs")
    assert policy is not None
    with pytest.raises(Exception, match="the result of this scan is dropped"):
        bench.queue().put_back(slow, "too late", 30.0)
    with pytest.raises(Exception, match="the result of this scan is dropped"):
        bench.queue().renew(slow)
    assert bench.registration().retry_at == bench.now + 120.0
