"""A runner on a real database, looked at over HTTP while it works."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from tests.runner.test_loop import Bench
from tests.runner.watching import metrics_of
from tests.support.evidence import backdoored, clean, evidence_of
from tests.support.gate import Gate
from xray_gate.core.errors import InputError, ScanError
from xray_gate.core.evidence import Evidence
from xray_gate.ledger.queue_figures import queue_figures
from xray_gate.runner.health import RunnerHealth
from xray_gate.runner.loop import Runner
from xray_gate.runner.metrics import RunnerMetrics
from xray_gate.runner.parts import Retries
from xray_gate.runner.present_state import RecentFigures
from xray_gate.runner.watch import RunnerWatch
from xray_gate.scan.queue_figures import QueueFigures

PASSED = 'xray_gate_verdicts_total{enforcement="enforce",verdict="passed"}'
FAILED = 'xray_gate_verdicts_total{enforcement="enforce",verdict="failed"}'
UNDECIDED = 'xray_gate_verdicts_total{enforcement="enforce",verdict="undecided"}'


class WatchedBench(Bench):
    """A bench with the pages of its runner."""

    def __init__(self, gate: Gate, folder: Path, silent_after: float = 600.0) -> None:
        super().__init__(gate, folder)

        def figures() -> QueueFigures:
            with gate.plain.engine.connect() as connection:
                return queue_figures(connection, time.time())

        self.watch = RunnerWatch(
            RunnerMetrics(RecentFigures(figures, every=0.0, patience=20.0)),
            RunnerHealth(silent_after),
        )
        self.parts = replace(self.parts, observers=self.watch.observers)
        self.address = ""

    def page(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def metrics(self) -> dict[str, float]:
        code, text = self.page("/metrics")
        assert code == 200
        return metrics_of(text).values

    def health(self) -> tuple[int, dict[str, Any]]:
        code, text = self.page("/health")
        return code, json.loads(text)

    def queue_of(self, metrics: dict[str, float]) -> dict[str, float]:
        states = ("waiting", "leased", "retrying")
        found = {s: metrics[f'xray_gate_queue_length{{state="{s}"}}'] for s in states}
        return {state: number for state, number in found.items() if number}


@contextmanager
def watched(made: WatchedBench) -> Iterator[WatchedBench]:
    with made.watch.serving(("127.0.0.1", 0)) as address:
        made.address = address
        yield made


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[WatchedBench]:
    gate = Gate(database, tmp_path / "policies")
    with watched(WatchedBench(gate, tmp_path / "files")) as made:
        yield made


@pytest.fixture
def impatient(database: str, tmp_path: Path) -> Iterator[WatchedBench]:
    """A bench whose registry may be silent for a second only."""
    gate = Gate(database, tmp_path / "policies")
    with watched(WatchedBench(gate, tmp_path / "files", silent_after=1.0)) as made:
        yield made


def test_each_verdict_is_counted_and_the_queue_gets_shorter(bench: WatchedBench) -> None:
    def find() -> Evidence:
        seen.append(bench.metrics())
        found = next(results)
        if isinstance(found, Exception):
            raise found
        return found

    seen: list[dict[str, float]] = []
    results: Iterator[Evidence | Exception] = iter(
        [clean(), backdoored(), InputError("no model; save it as ONNX"), ScanError("no answer")]
    )
    for _ in range(4):
        bench.gate.register()
    assert bench.queue_of(bench.metrics()) == {"waiting": 4}
    bench.scans.find = find
    assert bench.run() == 4
    during = [bench.queue_of(metrics) for metrics in seen]
    assert during == [
        {"waiting": 3, "leased": 1},
        {"waiting": 2, "leased": 1},
        {"waiting": 1, "leased": 1},
        {"leased": 1},
    ]
    assert all(metrics["xray_gate_current_scan_seconds"] > 0 for metrics in seen)
    assert all(metrics["xray_gate_oldest_waiting_seconds"] > 0 for metrics in seen)
    after = bench.metrics()
    assert [after[name] for name in (PASSED, FAILED, UNDECIDED)] == [1, 1, 2]
    assert after['xray_gate_scan_failures_total{reason="model"}'] == 2
    assert after["xray_gate_scan_seconds_count"] == 4
    assert after["xray_gate_queries_total"] == 200
    assert bench.queue_of(after) == {}
    assert after["xray_gate_oldest_waiting_seconds"] == 0
    assert after["xray_gate_current_scan_seconds"] == 0
    assert time.time() - after["xray_gate_last_look_timestamp_seconds"] < 60


def test_a_version_that_no_policy_knows_is_a_failure_of_its_kind(bench: WatchedBench) -> None:
    bench.gate.register()
    bench.gate.set_policy(match={"registered_models": ["cats"]})
    bench.gate.register("cats")
    bench.run()
    after = bench.metrics()
    assert (after[PASSED], after[UNDECIDED]) == (1, 1)
    assert after['xray_gate_scan_failures_total{reason="policy"}'] == 1


def test_what_is_put_back_waits_for_a_retry_and_is_given_up_in_the_end(
    bench: WatchedBench,
) -> None:
    bench.gate.register()
    bench.files.away = True
    bench.run()
    put_back = bench.metrics()
    assert bench.queue_of(put_back) == {"retrying": 1}
    assert put_back["xray_gate_put_back_total"] == 1
    assert put_back['xray_gate_scan_failures_total{reason="unavailable"}'] == 1
    assert put_back[UNDECIDED] == 0
    with bench.gate.connection() as connection:
        connection.exec_driver_sql("UPDATE xray_gate_registrations SET lease_until = 0")
    assert bench.queue_of(bench.metrics()) == {"waiting": 1}
    bench.run(retries=Retries(tries=2, short_pauses=()))
    given_up = bench.metrics()
    assert bench.queue_of(given_up) == {}
    assert given_up["xray_gate_dead_letters_total"] == 1
    assert given_up["xray_gate_put_back_total"] == 1
    assert given_up[UNDECIDED] == 1


def test_a_bug_and_a_scan_that_never_ends_have_kinds_of_their_own(bench: WatchedBench) -> None:
    def fail() -> Evidence:
        raise ZeroDivisionError

    last = Retries(tries=1, short_pauses=())
    bench.gate.register()
    bench.scans.find = fail
    bench.run(retries=last)
    bench.gate.register()
    assert bench.queue(lease_seconds=0.0).claim() is not None
    bench.run(retries=last)
    after = bench.metrics()
    assert after['xray_gate_scan_failures_total{reason="bug"}'] == 1
    assert after['xray_gate_scan_failures_total{reason="never_ended"}'] == 1
    assert after["xray_gate_dead_letters_total"] == 2


def test_a_lost_lease_is_no_verdict_and_three_in_a_row_are_no_health(bench: WatchedBench) -> None:
    def find() -> Evidence:
        # Meanwhile another runner finds the lease run out, and settles the version.
        bench.gate.settle(clean())
        return backdoored()

    bench.scans.find = find
    codes = []
    for _ in range(3):
        bench.gate.register()
        with pytest.raises(_Stop):
            Runner(replace(bench.parts, queue=_once(bench))).run_once()
        codes.append(bench.health()[0])
    assert codes == [200, 200, 503]
    assert "3 leases in a row were lost" in bench.health()[1]["reasons"][0]
    after = bench.metrics()
    assert after["xray_gate_leases_lost_total"] == 3
    assert (after[PASSED], after[FAILED], after["xray_gate_scan_seconds_count"]) == (0, 0, 0)
    # Where nothing waits any more, somebody else got it done.
    bench.run()
    assert bench.health()[0] == 200


class _Stop(Exception):
    """Ends a look after its first version, before it finds the queue empty."""


def _once(bench: WatchedBench) -> Any:
    """The bench's queue with leases that run out at once; its second heartbeat stops the look."""
    queue = bench.queue(lease_seconds=0.0)
    beats = iter([queue.heartbeat])

    def heartbeat() -> None:
        try:
            next(beats)()
        except StopIteration:
            raise _Stop from None

    queue.heartbeat = heartbeat  # type: ignore[method-assign]
    return queue


def test_what_cannot_be_recorded_is_counted_as_failed_each_time(bench: WatchedBench) -> None:
    bench.gate.register()
    bench.scans.find = lambda: evidence_of(float("nan"))
    bench.run(retries=Retries(tries=3, first_pause=0.0, short_pauses=()))
    after = bench.metrics()
    assert after["xray_gate_put_back_total"] == 2
    assert after['xray_gate_scan_failures_total{reason="bug"}'] == 3
    assert after["xray_gate_queries_total"] == 0


def test_health_goes_with_the_database_and_comes_back_with_it(impatient: WatchedBench) -> None:
    bench = impatient
    stop = threading.Event()
    runner = Runner(bench.parts)
    assert bench.health()[0] == 503
    thread = threading.Thread(target=runner.run_forever, args=(stop, 0.05))
    thread.start()
    try:
        wait_for(lambda: bench.health()[0] == 200)
        with database_away(bench.gate):
            wait_for(lambda: bench.health()[0] == 503)
            reasons = bench.health()[1]["reasons"]
            wait_for(lambda: bench.metrics()["xray_gate_registry_up"] == 0)
            assert "xray_gate_oldest_waiting_seconds" not in bench.metrics()
        assert any("the registry has not answered for" in reason for reason in reasons)
        # No more than the class: MLflow's error holds the statement and the driver's words.
        assert not any("SELECT" in reason or "sqlite" in reason for reason in reasons)
        wait_for(lambda: bench.health()[0] == 200)
        wait_for(lambda: bench.metrics()["xray_gate_registry_up"] == 1)
        bench.gate.register()
        wait_for(lambda: bench.metrics()[PASSED] == 1)
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def database_away(gate: Gate) -> Iterator[None]:
    """Nobody reaches the gate's database until the context ends."""
    engine = gate.plain.engine
    away = _sqlite_away if engine.dialect.name == "sqlite" else _postgres_away
    with away(engine):
        yield


@contextmanager
def _sqlite_away(engine: Any) -> Iterator[None]:
    path = Path(engine.url.database)
    aside = path.with_suffix(".aside")
    path.rename(aside)
    while not path.is_dir():
        # A connection that comes in between makes a new file.
        path.unlink(missing_ok=True)
        path.mkdir()
    engine.dispose()
    yield
    path.rmdir()
    aside.rename(path)
    engine.dispose()


@contextmanager
def _postgres_away(engine: Any) -> Iterator[None]:
    name = engine.url.database
    admin = sqlalchemy.create_engine(
        engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.exec_driver_sql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        try:
            yield
        finally:
            connection.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    admin.dispose()
