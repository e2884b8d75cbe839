"""Every line that a scan leaves carries the ids of what it is about."""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.runner.test_loop import Bench
from tests.support.evidence import backdoored, clean
from tests.support.gate import Gate
from xray_gate.cli.logs import JsonLines
from xray_gate.core.evidence import Evidence
from xray_gate.core.log_fields import bound_log_fields
from xray_gate.registry.work import RegistryWork
from xray_gate.runner.event_log import log_event
from xray_gate.runner.loop import Runner
from xray_gate.runner.parts import Retries
from xray_gate.scan.work import Lease

# As MLflow takes it for a name: neither `/` nor `:`.
HOSTILE = "signs\n{}\n2026-11-22 INFO settled\r\x1b[2J\u2028"
IDS = {"version", "workspace", "registration_id", "attempt", "runner"}
Line = dict[str, Any]


class LoggedBench(Bench):
    """A bench whose log is read as JSON lines."""

    def __init__(self, gate: Gate, folder: Path, stream: StringIO) -> None:
        super().__init__(gate, folder)
        self.parts = replace(self.parts, observers=(log_event,))
        self._stream = stream

    def lines(self) -> list[Line]:
        text = self._stream.getvalue()
        assert text == "".join(f"{line}\n" for line in text.splitlines())
        return [json.loads(line) for line in text.splitlines()]

    def only(self, event: str) -> Line:
        (found,) = [line for line in self.lines() if line.get("event") == event]
        return found


@pytest.fixture
def bench(sqlite_database: str, tmp_path: Path) -> Iterator[LoggedBench]:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    ours = logging.getLogger("xray_gate")
    level = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    yield LoggedBench(Gate(sqlite_database, tmp_path / "policies"), tmp_path / "files", stream)
    ours.removeHandler(handler)
    ours.setLevel(level)


def about(line: Line) -> Line:
    return {name: line.get(name) for name in IDS}


def test_a_scans_lines_name_version_registration_try_and_runner(bench: LoggedBench) -> None:
    def find() -> Evidence:
        logging.getLogger("xray_gate.detectors.interface").warning("a detector speaks")
        return found

    found = backdoored()
    bench.scans.find = find
    bench.gate.register()
    bench.run()
    assert [line.get("event") for line in bench.lines()] == ["claimed", None, "settled"]
    wanted = {
        "version": "signs/1",
        "workspace": "default",
        "registration_id": 1,
        "attempt": 1,
        "runner": "bench",
    }
    assert [about(line) for line in bench.lines()] == [wanted] * 3
    settled = bench.only("settled")
    assert settled["scan_id"] == found.scan_id
    assert settled["digest"] == found.model.digest
    assert (settled["verdict"], settled["enforcement"]) == ("failed", "enforce")
    assert (settled["admitted"], settled["queries"]) == (False, 100)
    assert "failure" not in settled
    assert bound_log_fields() == {}


def test_each_version_has_its_own_ids(bench: LoggedBench) -> None:
    bench.gate.register()
    bench.gate.register()
    bench.run()
    told = [(line["event"], line["version"], line["registration_id"]) for line in bench.lines()]
    assert told == [
        ("claimed", "signs/1", 1),
        ("settled", "signs/1", 1),
        ("claimed", "signs/2", 2),
        ("settled", "signs/2", 2),
    ]


def test_the_thread_that_renews_the_lease_knows_what_it_renews(bench: LoggedBench) -> None:
    class Flaky(RegistryWork):
        renewals = 0

        def renew(self, lease: Lease) -> None:
            self.renewals += 1
            if self.renewals == 1:
                raise ConnectionError("the database is away")
            super().renew(lease)

    def find() -> Evidence:
        deadline = time.monotonic() + 20
        while queue.renewals < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return clean()

    queue = Flaky(bench.gate.plain.ManagedSessionMaker, bench.gate.ledger, "flaky")
    bench.scans.find = find
    bench.gate.register()
    bench.run(queue=queue, renew_seconds=0.05)
    line = bench.only("renewal_failed")
    assert (line["version"], line["runner"]) == ("signs/1", "flaky")
    assert "ConnectionError: the database is away" in line["exception"]


def test_a_report_that_could_not_be_logged_names_the_scan(bench: LoggedBench) -> None:
    found = clean()
    bench.scans.find = lambda: found
    bench.reports.broken = True
    bench.gate.register()
    bench.run()
    line = bench.only("publish_failed")
    assert (line["scan_id"], line["digest"]) == (found.scan_id, found.model.digest)
    assert "the tracking server is down" in line["exception"]
    assert bench.only("settled")["verdict"] == "passed"


def test_what_is_put_back_and_given_up_says_why(bench: LoggedBench) -> None:
    bench.files.away = True
    bench.gate.register()
    bench.run(retries=Retries(tries=2, first_pause=0.0, short_pauses=()))
    line = bench.only("put_back")
    assert (line["attempt"], line["failure"], line["retry_seconds"]) == (1, "unavailable", 0.0)
    assert "the store is away" in line["message"]
    assert line["level"] == "WARNING"
    line = bench.only("dead_letter")
    assert (line["attempt"], line["failure"], line["verdict"]) == (2, "unavailable", "undecided")
    assert line["level"] == "ERROR"


def test_a_lost_lease_is_told(bench: LoggedBench) -> None:
    def find() -> Evidence:
        bench.gate.settle(clean())
        return backdoored()

    bench.scans.find = find
    bench.gate.register()
    bench.run(queue=bench.queue(lease_seconds=0.0))
    assert bench.only("lease_lost")["version"] == "signs/1"
    assert [line["event"] for line in bench.lines()] == ["claimed", "lease_lost"]


def test_a_database_that_fails_while_a_verdict_is_written_names_the_version(
    bench: LoggedBench,
) -> None:
    class Broken(RegistryWork):
        def put_back(self, lease: Lease, reason: str, pause: float) -> None:
            raise ConnectionError("the database is away")

    queue = Broken(bench.gate.plain.ManagedSessionMaker, bench.gate.ledger, "broken")
    bench.files.away = True
    bench.gate.register()
    with pytest.raises(ConnectionError):
        bench.run(queue=queue)
    assert bench.only("not_recorded")["version"] == "signs/1"


def test_a_name_cannot_forge_a_line(bench: LoggedBench) -> None:
    bench.gate.register(HOSTILE)
    bench.scans.find = lambda: replace(clean(), obstacle=HOSTILE, detectors=())
    bench.run()
    assert [line["event"] for line in bench.lines()] == ["claimed", "settled"]
    settled = bench.only("settled")
    assert settled["version"] == f"{HOSTILE}/1"
    assert (settled["verdict"], settled["failure"]) == ("undecided", "model")
    assert HOSTILE in settled["message"]


def test_an_observer_that_fails_costs_no_verdict(bench: LoggedBench) -> None:
    def fail(event: object) -> None:
        raise ZeroDivisionError

    bench.gate.register()
    parts = replace(bench.parts, observers=(fail, log_event))
    assert Runner(parts).run_once() == 1
    assert bench.version().status == "READY"
    assert bench.only("settled")["verdict"] == "passed"
    failed = [line for line in bench.lines() if "an observer of the runner failed" in str(line)]
    assert failed
    assert "ZeroDivisionError" in failed[0]["exception"]
