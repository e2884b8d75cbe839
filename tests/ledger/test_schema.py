import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from xray_gate.ledger.schema import upgrade
from xray_gate.ledger.tables import metadata

_UPGRADE = (
    "import sys, sqlalchemy; from xray_gate.ledger.schema import upgrade; "
    "sys.stdin.readline(); upgrade(sqlalchemy.create_engine(sys.argv[1]))"
)


def _gate_tables(engine: Engine) -> set[str]:
    names = sqlalchemy.inspect(engine).get_table_names()
    return {name for name in names if name.startswith("xray_gate")}


def test_migrations_build_the_tables_that_the_code_uses(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_name": lambda name, kind, _: (
                    kind != "table" or str(name).startswith("xray_gate_")
                ),
                "version_table": "xray_gate_alembic_version",
                "compare_server_default": True,
            },
        )
        assert compare_metadata(context, metadata) == []


def test_mlflows_own_migrations_are_not_touched(database: str) -> None:
    engine = sqlalchemy.create_engine(database)
    question = sqlalchemy.text("SELECT version_num FROM alembic_version")
    with engine.connect() as connection:
        before = connection.execute(question).all()
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(question).all() == before
    engine.dispose()


def test_upgrading_again_keeps_what_is_there(engine: Engine) -> None:
    insert = "INSERT INTO xray_gate_runners (owner, last_seen) VALUES ('me', 1)"
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(insert))
    tables = _gate_tables(engine)
    upgrade(engine)
    assert _gate_tables(engine) == tables == {*metadata.tables, "xray_gate_alembic_version"}
    with engine.connect() as connection:
        count = connection.execute(sqlalchemy.text("SELECT count(*) FROM xray_gate_runners"))
        assert count.scalar() == 1


def test_an_upgrade_that_fails_leaves_nothing_half_made(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = sqlalchemy.create_engine(database)
    # The last table of the migration is there already, with another shape.
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE xray_gate_runners (x INTEGER)"))
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="already exists"):
        upgrade(engine)
    assert _gate_tables(engine) == {"xray_gate_runners"}
    engine.dispose()


def test_threads_that_start_at_once_do_not_collide(database: str) -> None:
    engine = sqlalchemy.create_engine(database)
    with ThreadPoolExecutor(4) as pool:
        for outcome in [pool.submit(upgrade, engine) for _ in range(4)]:
            outcome.result()
    assert _gate_tables(engine) == {*metadata.tables, "xray_gate_alembic_version"}
    engine.dispose()


def test_processes_that_start_at_once_do_not_collide(database: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _UPGRADE, database],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    problems = []
    try:
        for process in processes:
            # They wait for this line when they have done their imports.
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            _, error = process.communicate(timeout=60)
            problems += [error] if process.returncode else []
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert problems == []
    engine = sqlalchemy.create_engine(database)
    assert _gate_tables(engine) == {*metadata.tables, "xray_gate_alembic_version"}
    engine.dispose()
