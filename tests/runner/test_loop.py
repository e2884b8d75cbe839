import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from tests.runner.fakes import Files, Kept, LoggedData, Reports, Scans
from tests.support.evidence import backdoored, clean, make_policy
from tests.support.gate import SOURCE, Gate
from xray_gate.core.errors import InputError, ModelProcessError, ScanError
from xray_gate.core.evidence import Evidence
from xray_gate.ledger.tables import scans, verdicts
from xray_gate.policy.files import PolicySet
from xray_gate.registry.work import RegistryWork
from xray_gate.runner.loop import Runner
from xray_gate.runner.parts import Retries, RunnerParts
from xray_gate.scan.work import Lease


class Bench:
    """A runner on a real ledger, with parts that a test can break."""

    def __init__(self, gate: Gate, folder: Path) -> None:
        self.gate = gate
        folder.mkdir()
        self.files, self.scans, self.reports = Files(folder), Scans(), Reports()
        self.logged, self.kept = LoggedData(), Kept()
        self.said: list[str] = []
        self.parts = RunnerParts(
            queue=self.queue(),
            fetch=self.files,
            fetch_training=self.logged,
            scan=self.scans,
            keep=self.kept,
            publish=self.reports,
            retries=Retries(tries=3, short_pauses=()),
            announce=self.said.append,
        )

    def queue(self, lease_seconds: float = 60.0) -> RegistryWork:
        maker = self.gate.plain.ManagedSessionMaker
        return RegistryWork(maker, self.gate.ledger, "bench", lease_seconds)

    def run(self, **changes: Any) -> int:
        return Runner(replace(self.parts, **changes)).run_once()

    def version(self, name: str = "signs", number: int = 1) -> Any:
        return self.gate.store.get_model_version(name, number)

    def count(self, table: Any) -> int:
        with self.gate.connection() as connection:
            rows = sqlalchemy.select(sqlalchemy.func.count()).select_from(table)
            return int(connection.execute(rows).scalar_one())


@pytest.fixture
def bench(sqlite_database: str, tmp_path: Path) -> Bench:
    return Bench(Gate(sqlite_database, tmp_path / "policies"), tmp_path / "files")


def test_nothing_to_do_is_no_work(bench: Bench) -> None:
    assert bench.run() == 0
    assert bench.said == []


def test_every_waiting_version_is_scanned_and_settled(bench: Bench) -> None:
    for name in ("signs-b", "signs-a"):
        bench.gate.register(name, f"s3://{name}")
    assert bench.run() == 2
    assert bench.files.fetched == ["s3://signs-b", "s3://signs-a"]
    assert bench.scans.asked == [("models:/signs-b/1", "images"), ("models:/signs-a/1", "images")]
    assert [bench.version(name).status for name in ("signs-a", "signs-b")] == ["READY", "READY"]
    assert bench.said[:2] == [
        "signs-b/1: scanning",
        "signs-b/1: passed (model_xray: no score is beyond its bound (renyi_entropy.unclipped))",
    ]


def test_the_verdict_links_the_report(bench: Bench) -> None:
    bench.gate.register()
    bench.run()
    assert bench.reports.logged == [("signs/1", "passed", "images")]
    assert bench.reports.attestations == [None]
    assert bench.version().tags["xray_gate.scan_run_id"] == f"{1:032d}"


def test_a_suspicion_fails_the_version(bench: Bench) -> None:
    bench.gate.register()
    bench.scans.find = backdoored
    assert bench.run() == 1
    assert bench.version().status == "FAILED_REGISTRATION"
    assert bench.said[-1].startswith("signs/1: failed (model_xray: renyi_entropy.unclipped 0.2")


@pytest.mark.parametrize(
    "error",
    [
        ScanError("the model was killed after 600 s; raise limits.seconds"),
        ModelProcessError("the model's process ended with signal 11; look at the model"),
        InputError("the file is no model; save it as ONNX"),
    ],
)
def test_a_scan_that_fails_is_undecided_with_its_reason(bench: Bench, error: Exception) -> None:
    def fail() -> Evidence:
        raise error

    bench.gate.register()
    bench.scans.find = fail
    assert bench.run() == 1
    assert bench.version().status == "FAILED_REGISTRATION"
    assert f"could not be decided. {error}" in bench.version().status_message
    assert bench.reports.logged == [("signs/1", "undecided", "images")]


def test_files_that_cannot_be_fetched_are_undecided(bench: Bench) -> None:
    bench.gate.register()
    bench.files.missing.add(SOURCE)
    bench.run()
    assert "the files at s3://models/signs could not be fetched" in bench.version().status_message
    assert bench.scans.asked == []


def test_one_bad_model_does_not_stop_the_others(bench: Bench) -> None:
    found = iter([backdoored(), None, clean()])

    def find() -> Evidence:
        evidence = next(found)
        if evidence is None:
            raise MemoryError
        return evidence

    for _ in range(3):
        bench.gate.register()
    bench.scans.find = find
    assert bench.run() == 2
    statuses = [bench.version(number=n).status for n in (1, 2, 3)]
    assert statuses == ["FAILED_REGISTRATION", "PENDING_REGISTRATION", "READY"]


def test_a_report_that_cannot_be_logged_does_not_hold_up_the_verdict(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.gate.register()
    bench.reports.broken = True
    assert bench.run() == 1
    assert bench.version().status == "READY"
    assert bench.version().tags["xray_gate.scan_run_id"] == ""
    assert "the report of signs/1 could not be logged" in caplog.text


def test_a_lease_that_is_lost_during_the_scan_leaves_nothing(bench: Bench) -> None:
    bench.gate.register()

    def find() -> Evidence:
        # Meanwhile another runner finds the lease run out, and settles the version.
        bench.gate.settle(clean())
        return backdoored()

    bench.scans.find = find
    settled = bench.run(queue=bench.queue(lease_seconds=0.0))
    assert settled == 0
    assert bench.version().status == "READY"
    assert (bench.count(scans), bench.count(verdicts)) == (1, 1)
    assert "the result of this scan is dropped" in bench.said[-1]


def test_a_version_that_is_deleted_during_the_scan_leaves_nothing(bench: Bench) -> None:
    bench.gate.register()

    def find() -> Evidence:
        bench.gate.store.delete_registered_model("signs")
        return clean()

    bench.scans.find = find
    assert bench.run() == 0
    assert bench.count(verdicts) == 0


def test_a_model_that_always_kills_its_runner_is_refused_in_the_end(bench: Bench) -> None:
    bench.gate.register()
    for _ in range(3):
        # Each of these runners dies: the lease is never given back.
        assert bench.queue(lease_seconds=0.0).claim() is not None
    assert bench.run() == 1
    assert bench.scans.asked == []
    message = bench.version().status_message
    assert "the scan was started 3 times and never came to an end" in message
    assert bench.version().status == "FAILED_REGISTRATION"


def test_the_last_attempt_may_still_succeed(bench: Bench) -> None:
    bench.gate.register()
    for _ in range(2):
        assert bench.queue(lease_seconds=0.0).claim() is not None
    bench.run()
    assert bench.version().status == "READY"


def test_the_runners_own_policy_measures_and_the_servers_decides(
    bench: Bench, tmp_path: Path
) -> None:
    bench.gate.register()
    lenient = [{"statistic": "renyi_entropy.unclipped", "bound": 0.01, "source": "the runner's"}]
    own = make_policy(tmp_path / "own", "own", detectors={"model_xray": {"thresholds": lenient}})
    bench.scans.find = backdoored
    bench.run(measuring=PolicySet((own,)))
    assert bench.scans.asked == [("models:/signs/1", "own")]
    assert bench.version().status == "FAILED_REGISTRATION"
    assert bench.version().tags["xray_gate.policy"] == "images"


def test_a_runner_whose_own_policy_does_not_know_the_name_refuses(
    bench: Bench, tmp_path: Path
) -> None:
    bench.gate.register()
    own = make_policy(tmp_path / "own", match={"registered_models": ["cats"]})
    bench.run(measuring=PolicySet((own,)))
    assert "no policy matches 'signs'" in bench.version().status_message
    assert bench.scans.asked == []


def test_the_policy_that_the_server_has_now_decides(bench: Bench) -> None:
    """It was changed while the version waited."""
    bench.gate.register()
    strict = [{"statistic": "renyi_entropy.unclipped", "bound": 5.0, "source": "stricter"}]
    bench.gate.set_policy(detectors={"model_xray": {"thresholds": strict}})
    bench.gate.register()
    bench.run()
    assert bench.version().status == "FAILED_REGISTRATION"
    assert "(stricter)" in bench.version().status_message


def test_without_a_servers_policy_nothing_is_scanned(bench: Bench) -> None:
    bench.gate.register()
    with bench.gate.connection() as connection:
        connection.execute(sqlalchemy.text("DELETE FROM xray_gate_policy_sets"))
    bench.run()
    assert "start one with XRAY_GATE_POLICY set" in bench.version().status_message
    assert bench.scans.asked == []


def test_a_policy_that_lost_the_name_refuses_what_waited(bench: Bench) -> None:
    bench.gate.register()
    bench.gate.set_policy(match={"registered_models": ["cats"]})
    bench.gate.register("cats")
    bench.run()
    assert "no policy matches 'signs'" in bench.version().status_message
    assert bench.version("cats").status == "READY"


def test_the_lease_is_kept_alive_while_the_scan_runs(bench: Bench) -> None:
    bench.gate.register()
    other: list[Lease | None] = []

    def find() -> Evidence:
        # Much longer than the lease, which another runner waits for.
        for _ in range(6):
            time.sleep(0.5)
            other.append(bench.gate.work.claim())
        return clean()

    bench.scans.find = find
    assert bench.run(queue=bench.queue(lease_seconds=2.0), renew_seconds=0.1) == 1
    assert other == [None] * 6
    assert bench.version().status == "READY"


def test_a_runner_that_scans_shows_that_it_is_alive(bench: Bench) -> None:
    bench.gate.register()
    seen: list[float | None] = []

    def find() -> Evidence:
        for _ in range(2):
            with bench.gate.connection() as connection:
                seen.append(bench.gate.ledger.last_runner(connection))
            time.sleep(0.3)
        return clean()

    bench.scans.find = find
    bench.run(renew_seconds=0.05)
    assert seen[0] is not None
    assert seen[1] is not None
    assert seen[1] > seen[0]


def test_a_renewal_that_fails_for_a_moment_is_tried_again(bench: Bench) -> None:
    class Flaky(RegistryWork):
        renewals = 0

        def renew(self, lease: Lease) -> None:
            self.renewals += 1
            if self.renewals == 1:
                raise ConnectionError("the database is away")
            super().renew(lease)

    def find() -> Evidence:
        time.sleep(0.5)
        return clean()

    bench.gate.register()
    bench.scans.find = find
    queue = Flaky(bench.gate.plain.ManagedSessionMaker, bench.gate.ledger, "flaky")
    assert bench.run(queue=queue, renew_seconds=0.05) == 1
    assert queue.renewals > 1
    assert bench.version().status == "READY"


def test_the_renewing_thread_ends_with_the_scan(bench: Bench) -> None:
    bench.gate.register()
    bench.run(renew_seconds=30.0)
    assert not [t for t in threading.enumerate() if t.name == "xray-gate-lease"]


def test_a_runner_goes_on_when_the_queue_fails(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    class Flaky(RegistryWork):
        looks = 0

        def heartbeat(self) -> None:
            self.looks += 1
            if self.looks == 1:
                raise ConnectionError("the database is away")
            super().heartbeat()

    stop = threading.Event()
    queue = Flaky(bench.gate.plain.ManagedSessionMaker, bench.gate.ledger, "flaky")
    runner = Runner(replace(bench.parts, queue=queue))
    bench.gate.register()
    thread = threading.Thread(target=runner.run_forever, args=(stop, 0.01))
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while bench.version().status != "READY" and time.monotonic() < deadline:
            time.sleep(0.05)
        bench.gate.register()
        while bench.version(number=2).status != "READY" and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        stop.set()
        thread.join(timeout=10)
    assert not thread.is_alive()
    assert [bench.version(number=n).status for n in (1, 2)] == ["READY", "READY"]
    assert "could not look for work" in caplog.text


def test_a_runner_that_is_told_to_stop_does_not_start(bench: Bench) -> None:
    bench.gate.register()
    stop = threading.Event()
    stop.set()
    Runner(bench.parts).run_forever(stop)
    assert bench.scans.asked == []


def test_a_trial_admits_even_a_model_that_always_kills_its_runner(bench: Bench) -> None:
    bench.gate.set_policy(enforcement="audit")
    bench.gate.register()
    for _ in range(3):
        assert bench.queue(lease_seconds=0.0).claim() is not None
    bench.run()
    assert bench.version().status == "READY"
    assert bench.version().tags["xray_gate.verdict"] == "undecided"


def test_a_runner_that_is_told_to_stop_takes_no_further_version(bench: Bench) -> None:
    for number in range(3):
        bench.gate.register(source=f"s3://{number}")
    stop = threading.Event()

    def find() -> Evidence:
        stop.set()
        return clean()

    bench.scans.find = find
    Runner(bench.parts).run_forever(stop)
    assert len(bench.scans.asked) == 1
    assert [bench.version(number=n).status for n in (1, 2, 3)] == [
        "READY",
        "PENDING_REGISTRATION",
        "PENDING_REGISTRATION",
    ]
