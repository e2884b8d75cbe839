import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import sqlalchemy
from sqlalchemy import Connection, Engine

from xray_gate.core.errors import LeaseLost
from xray_gate.ledger.ledger import Ledger
from xray_gate.ledger.schema import upgrade
from xray_gate.scan.work import Lease, VersionKey, VersionState

NOW = 1_000_000.0
Result = TypeVar("Result")
RUNNERS = 4
VERSIONS = 24
ledger = Ledger()


def _in(engine: Engine, work: Callable[[Connection], Result]) -> Result:
    """One transaction that waits for others, as MLflow's sessions do."""
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(sqlalchemy.text("PRAGMA busy_timeout = 20000"))
        result = work(connection)
        connection.commit()
        return result


def _register(engine: Engine, versions: int) -> None:
    for version in range(1, versions + 1):
        key = VersionKey("default", "signs", version)
        _in(engine, partial(ledger.register, key=key, location="s3://a", now=NOW))


def test_runners_share_the_queue_and_nothing_is_left_or_done_twice(engine: Engine) -> None:
    _register(engine, VERSIONS)
    start = threading.Barrier(RUNNERS)

    def drain(owner: str) -> list[Lease]:
        taken: list[Lease] = []
        start.wait()
        while (lease := _in(engine, lambda c: ledger.claim(c, owner, NOW, 60.0))) is not None:
            taken.append(lease)
        return taken

    with ThreadPoolExecutor(RUNNERS) as pool:
        jobs = [pool.submit(drain, f"runner-{number}") for number in range(RUNNERS)]
        taken = [lease for job in jobs for lease in job.result()]
    times = Counter(lease.registration.key.version for lease in taken)
    assert times == dict.fromkeys(range(1, VERSIONS + 1), 1)
    assert {lease.registration.attempts for lease in taken} == {1}


def test_only_one_of_many_takes_over_a_lease_that_ran_out(engine: Engine) -> None:
    _register(engine, 1)
    for turn in range(5):
        now = NOW + 100 * turn
        start = threading.Barrier(RUNNERS)

        def attempt(owner: str, now: float = now, start: threading.Barrier = start) -> Lease | None:
            start.wait()
            return _in(engine, lambda c: ledger.claim(c, owner, now, 60.0))

        with ThreadPoolExecutor(RUNNERS) as pool:
            jobs = [pool.submit(attempt, f"runner-{turn}-{n}") for n in range(RUNNERS)]
            won = [lease for job in jobs if (lease := job.result()) is not None]
        assert len(won) == 1
        assert won[0].registration.attempts == turn + 1


def test_of_the_old_and_the_new_owner_only_the_new_one_can_settle(engine: Engine) -> None:
    _register(engine, 8)
    old = [_in(engine, lambda c: ledger.claim(c, "old", NOW, 60.0)) for _ in range(8)]
    start = threading.Barrier(2)
    settled: list[str] = []

    def settle(lease: Lease) -> None:
        try:
            _in(engine, lambda c: ledger.settle(c, lease, VersionState.ADMITTED, None))
        except LeaseLost:
            return
        settled.append(f"{lease.registration.key.version} by {lease.owner}")

    def slow_owner() -> None:
        start.wait()
        for lease in old:
            assert lease is not None
            settle(lease)

    def new_owner() -> None:
        start.wait()
        while (lease := _in(engine, lambda c: ledger.claim(c, "new", NOW + 60, 60.0))) is not None:
            settle(lease)

    with ThreadPoolExecutor(2) as pool:
        for job in [pool.submit(slow_owner), pool.submit(new_owner)]:
            job.result()
    assert sorted(line.split()[0] for line in settled) == [str(n) for n in range(1, 9)]


def test_a_runner_steps_round_what_another_one_is_about_to_take(postgres_database: str) -> None:
    engine = sqlalchemy.create_engine(postgres_database)
    upgrade(engine)
    _register(engine, 2)
    with engine.connect() as first, engine.connect() as second:
        taken = [ledger.claim(link, "one", NOW, 60.0) for link in (first, second)]
        assert [lease and lease.registration.key.version for lease in taken] == [1, 2]
    engine.dispose()
