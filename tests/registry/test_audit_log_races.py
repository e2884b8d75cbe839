"""Servers, runners and commands that write at once keep one chain, and none waits for ever."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import text

from tests.support.audit import audit_lines
from tests.support.gate import SOURCE, Gate, assert_refused
from xray_gate.core.errors import InputError, LeaseLost
from xray_gate.registry.rescanning import rescan
from xray_gate.registry.work import RegistryWork
from xray_gate.scan.work import VersionKey

ROUNDS = 6


def serve(gate: Gate, name: str, alias: str) -> None:
    for _ in range(ROUNDS):
        gate.store.create_model_version(name, SOURCE)
        gate.store.set_registered_model_alias(name, alias, 1)
        gate.store.delete_registered_model_alias(name, alias)
        with assert_refused():
            gate.store.set_registered_model_alias(name, f"{alias}-next", 2)


def scan(gate: Gate, owner: str) -> None:
    work = RegistryWork(gate.plain.ManagedSessionMaker, gate.ledger, owner)
    for _ in range(ROUNDS * 4):
        lease = work.claim()
        # Whoever asks for another scan ends the one that runs.
        with suppress(LeaseLost):
            if lease is not None:
                work.refuse(lease, "not today")


def ask_for_scans(gate: Gate, name: str) -> None:
    for _ in range(ROUNDS):
        # At first there is no such version yet.
        with suppress(InputError):
            key = VersionKey("default", name, 2)
            rescan(gate.plain.ManagedSessionMaker, gate.ledger, key, "bob", 1.0)


def all_at_once(*works: Callable[[], None]) -> None:
    problems = list[BaseException]()

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert problems == []
    assert not any(thread.is_alive() for thread in threads)


def test_they_keep_one_chain(gate: Gate) -> None:
    """Each does what the others do, on the same names."""
    gate.admitted("signs-0")
    gate.admitted("signs-1")
    other = Gate(gate.uri, gate.folder)
    all_at_once(
        lambda: serve(gate, "signs-0", "blue"),
        lambda: serve(other, "signs-0", "green"),
        lambda: serve(other, "signs-1", "blue"),
        lambda: scan(gate, "one"),
        lambda: scan(other, "two"),
        lambda: ask_for_scans(gate, "signs-0"),
    )
    lines = audit_lines(gate)
    events = [line["event"] for line in lines]
    assert events.count("registered") == 2 + 3 * ROUNDS
    assert events.count("promotion_granted") == 3 * ROUNDS
    assert events.count("promotion_refused") == 3 * ROUNDS
    with gate.connection() as connection:
        rows = connection.execute(text("SELECT id FROM xray_gate_verdicts ORDER BY id")).scalars()
        logged: list[Any] = [line["details"]["row"] for line in lines if line["event"] == "verdict"]
        assert sorted(logged) == list(rows)


def test_a_writer_that_holds_the_newest_line_is_waited_for(gate: Gate) -> None:
    """And what it rolls back leaves no gap."""
    gate.admitted()
    waiting = threading.Thread(
        target=lambda: gate.store.set_registered_model_alias("signs", "champion", 1), daemon=True
    )
    with gate.plain.engine.connect() as connection:
        connection.execute(text("UPDATE xray_gate_log_head SET seq = seq + 7, hash = 'x'"))
        waiting.start()
        waiting.join(timeout=0.5)
        assert waiting.is_alive()
        connection.rollback()
    waiting.join(timeout=60)
    assert not waiting.is_alive()
    assert audit_lines(gate)[-1]["event"] == "promotion_granted"
