"""The figures are right, and cost nothing for versions that are finished."""

from dataclasses import astuple

import pytest
import sqlalchemy
from sqlalchemy import Engine, insert

from tests.ledger.test_large_ledgers import add, ledger, recorded
from xray_gate.ledger.queue_figures import queue_figures
from xray_gate.ledger.tables import registrations
from xray_gate.scan.queue_figures import QueueFigures
from xray_gate.scan.work import VersionState

# When `add` registers.
NOW = 1_000_000.0
FINISHED = (
    VersionState.ADMITTED,
    VersionState.REFUSED,
    VersionState.REVOKED,
    VersionState.DELETED,
)


def figures(engine: Engine, now: float = NOW) -> QueueFigures:
    with engine.connect() as connection:
        return queue_figures(connection, now)


def test_nothing_waits_in_an_empty_queue(engine: Engine) -> None:
    assert figures(engine) == QueueFigures(0, 0, 0, 0.0)


def test_a_version_is_counted_where_it_is(engine: Engine) -> None:
    for version in range(1, 5):
        add(engine, version, state=VersionState.WAITING)
    for version, state in enumerate(FINISHED, start=5):
        add(engine, version, state=state)
    assert figures(engine) == QueueFigures(4, 0, 0, 0.0)
    with engine.begin() as connection:
        lease = ledger.claim(connection, "one", NOW, 60.0)
        assert lease is not None
        # One that was put back: nobody holds it, and nobody may take it for a while.
        connection.execute(
            sqlalchemy.update(registrations)
            .where(registrations.c.version == 2)
            .values(lease_until=NOW + 30, attempts=1)
        )
    assert figures(engine, NOW + 10) == QueueFigures(2, 1, 1, 10.0)
    # The back-off is over, the lease is not; then the runner is gone, too.
    assert figures(engine, NOW + 40) == QueueFigures(3, 1, 0, 40.0)
    assert figures(engine, NOW + 60) == QueueFigures(4, 0, 0, 60.0)
    with engine.begin() as connection:
        ledger.settle(connection, lease, VersionState.ADMITTED, None)
    assert astuple(figures(engine, NOW + 60)) == (3, 0, 0, 60.0)


def test_the_oldest_one_counts_also_while_it_is_scanned(engine: Engine) -> None:
    add(engine, 1, state=VersionState.WAITING)
    with engine.begin() as connection:
        assert ledger.claim(connection, "one", NOW, 60.0) is not None
    assert figures(engine, NOW + 50).oldest_seconds == 50.0


def test_a_server_whose_clock_is_ahead_makes_no_negative_age(engine: Engine) -> None:
    add(engine, 1, state=VersionState.WAITING)
    assert figures(engine, NOW - 5).oldest_seconds == 0.0


@pytest.fixture
def large(engine: Engine) -> Engine:
    """Twenty thousand finished versions and three that wait; the planner knows how many."""
    finished = [
        {
            "workspace": "default",
            "name": "signs",
            "version": number,
            "location": "s3://a",
            "state": FINISHED[number % len(FINISHED)],
            "created_at": NOW,
            "lease_until": NOW,
            "attempts": 1,
        }
        for number in range(20_000)
    ]
    with engine.begin() as connection:
        connection.execute(insert(registrations), finished)
    for version in range(3):
        add(engine, version, state=VersionState.WAITING, name="cats")
    with engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    return engine


def test_finished_versions_are_not_read(large: Engine) -> None:
    with recorded(large) as statements:
        assert figures(large).waiting == 3
    asked = [item for item in statements if "xray_gate" in item[0]]
    assert len(asked) == 1
    word = "EXPLAIN QUERY PLAN" if large.dialect.name == "sqlite" else "EXPLAIN (ANALYZE)"
    with large.connect() as connection:
        rows = connection.exec_driver_sql(f"{word} {asked[0][0]}", asked[0][1]).all()
    plan = "\n".join(str(row[-1]) for row in rows)
    assert "xray_gate_registrations_queue" in plan
    assert "SCAN xray_gate" not in plan
    assert "Seq Scan" not in plan
    if large.dialect.name == "postgresql":
        assert "rows=3" in plan
        assert "Rows Removed by Filter" not in plan
