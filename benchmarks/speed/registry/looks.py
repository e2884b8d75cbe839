"""The runner's look for waiting versions, and what the database does for it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy
from sqlalchemy import Engine, update

from benchmarks.speed.registry.calls import Row, percentile_90, register
from benchmarks.speed.registry.filling import NAME
from benchmarks.speed.registry.place import Place
from xray_gate.ledger.tables import registrations
from xray_gate.scan.work import Lease, VersionKey


def measure(place: Place, looks: int) -> list[Row]:
    """One row for each look. A version is left waiting, that nobody holds.

    The last is no look for waiting versions, but what a runner asks next: which version of the same
    name to compare with, the name being the one that all filled versions have.
    """
    finished = place.finished()
    rows = [_row("heartbeat", finished, place, place.work.heartbeat, looks)]
    rows.append(_row("claim, nothing waits", finished, place, place.work.claim, looks))
    register(place.gated, place.name, finished)
    lease = place.work.claim()
    assert lease is not None
    rows.append(
        _row("claim, one waits", finished, place, place.work.claim, looks, lambda: _release(place))
    )
    of_filled = _moved(lease)
    rows.append(
        _row(
            "champion of all finished",
            finished,
            place,
            lambda: place.work.champion_for(of_filled),
            looks,
        )
    )
    _release(place)
    return rows


def _row(
    look: str,
    finished: int,
    place: Place,
    ask: Callable[[], Any],
    looks: int,
    before: Callable[[], None] = lambda: None,
) -> Row:
    before()
    with recorded(place.engine) as statements:
        ask()
    taken = []
    for _ in range(looks):
        before()
        started = time.perf_counter()
        ask()
        taken.append(1e3 * (time.perf_counter() - started))
    return {
        "look": look,
        "finished": finished,
        "looks": looks,
        "median_ms": statistics.median(taken),
        "p90_ms": percentile_90(taken),
        "plan": [line for statement in statements for line in explain(place.engine, *statement)],
    }


@contextmanager
def recorded(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """The statements that go to the database until the context ends, with their parameters."""
    found: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        found.append((statement, parameters))

    sqlalchemy.event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sqlalchemy.event.remove(engine, "before_cursor_execute", note)


def explain(engine: Engine, statement: str, parameters: Any) -> list[str]:
    """How the database would carry out a statement, line by line."""
    sqlite = engine.dialect.name == "sqlite"
    if not statement.lstrip().upper().startswith(("SELECT", "UPDATE", "INSERT", "DELETE")):
        return []
    prefix = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(prefix + statement, parameters).all()
    return [str(row[-1]).strip() for row in rows]


def _release(place: Place) -> None:
    free = {"lease_owner": None, "lease_until": 0.0, "attempts": 0}
    of_place = registrations.c.name == place.name
    with place.engine.begin() as connection:
        connection.execute(
            update(registrations).where(of_place, registrations.c.lease_owner != "").values(**free)
        )


def _moved(lease: Lease) -> Lease:
    key = VersionKey("default", NAME, 0)
    return replace(lease, registration=replace(lease.registration, id=0, key=key))
