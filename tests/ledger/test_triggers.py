from collections.abc import Iterator

import pytest
import sqlalchemy
from sqlalchemy import Engine

from tests.support.databases import dispose
from xray_gate.ledger.schema import newest_revision, revision, upgrade
from xray_gate.ledger.triggers.installing import TriggerState, install, remove, trigger_state
from xray_gate.ledger.triggers.statements import CREATE, statements
from xray_gate.ledger.triggers.trial import failed_trials

OLDER = {
    "sqlite": "CREATE TRIGGER xray_gate_alias_insert AFTER INSERT ON registered_model_aliases "
    "BEGIN SELECT 1; END",
    "postgresql": "CREATE FUNCTION xray_gate_check_alias() RETURNS trigger LANGUAGE plpgsql "
    "AS 'BEGIN RETURN NULL; END'",
}
TAMPERED = {
    "sqlite": "DROP TRIGGER xray_gate_version_update",
    "postgresql": "ALTER TABLE model_versions DISABLE TRIGGER xray_gate_version_check",
}
EMPTIED = {
    "sqlite": "DROP TRIGGER xray_gate_verdict_update; ",
    "postgresql": "CREATE OR REPLACE FUNCTION xray_gate_only_grows() RETURNS trigger "
    "LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
}


def run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


def some_releases_back(engine: Engine) -> None:
    """The tables as they were before 0006, with triggers of then where there are some."""
    with engine.begin() as connection:
        # SQLite drops no column that a view speaks of.
        before = remove(connection)
    run(engine, "DROP TABLE xray_gate_break_glass")
    run(engine, "ALTER TABLE xray_gate_verdicts DROP COLUMN admits_until")
    run(engine, "ALTER TABLE xray_gate_verdicts DROP COLUMN exceptions")
    run(engine, "DROP TABLE xray_gate_log")
    run(engine, "DROP TABLE xray_gate_log_head")
    run(engine, "ALTER TABLE xray_gate_registrations DROP COLUMN failure")
    if before is not TriggerState.ABSENT:
        run(engine, OLDER[engine.dialect.name])
    run(engine, "UPDATE xray_gate_alembic_version SET version_num = '0005'")


def state(engine: Engine) -> TriggerState:
    with engine.connect() as connection:
        return trigger_state(connection)


def objects(engine: Engine) -> list[str]:
    """What the database has of ours beside tables, by name."""
    question = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view') "
        "AND substr(name, 1, 10) = 'xray_gate_'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE substr(tgname, 1, 10) = 'xray_gate_' "
        "UNION ALL SELECT proname FROM pg_proc WHERE substr(proname, 1, 10) = 'xray_gate_'",
    }[engine.dialect.name]
    with engine.connect() as connection:
        return sorted(connection.execute(sqlalchemy.text(question)).scalars())


@pytest.fixture
def installed(engine: Engine) -> Iterator[Engine]:
    with engine.begin() as connection:
        assert install(connection) is TriggerState.ABSENT
    yield engine
    dispose(str(engine.url))


def test_installing_again_changes_nothing(installed: Engine) -> None:
    before = objects(installed)
    assert before
    with installed.begin() as connection:
        assert install(connection) is TriggerState.CURRENT
    assert objects(installed) == before


def test_removing_leaves_no_trigger_and_all_tables(installed: Engine) -> None:
    tables = sqlalchemy.inspect(installed).get_table_names()
    with installed.begin() as connection:
        assert remove(connection) is TriggerState.CURRENT
    assert objects(installed) == []
    assert sqlalchemy.inspect(installed).get_table_names() == tables
    with installed.begin() as connection:
        assert remove(connection) is TriggerState.ABSENT


def test_triggers_of_another_release_are_replaced(engine: Engine) -> None:
    run(engine, OLDER[engine.dialect.name])
    assert state(engine) is TriggerState.OTHER
    with engine.begin() as connection:
        assert install(connection) is TriggerState.OTHER
    assert state(engine) is TriggerState.CURRENT
    assert failed_trials(engine) == []


@pytest.mark.parametrize("change", [TAMPERED, EMPTIED])
def test_changed_triggers_are_noticed_and_replaced(
    installed: Engine, change: dict[str, str]
) -> None:
    run(installed, change[installed.dialect.name])
    assert state(installed) is TriggerState.OTHER
    assert failed_trials(installed)
    with installed.begin() as connection:
        install(connection)
    assert state(installed) is TriggerState.CURRENT
    assert failed_trials(installed) == []


def test_a_migration_of_the_ledger_brings_the_triggers_back(installed: Engine) -> None:
    some_releases_back(installed)
    upgrade(installed)
    with installed.connect() as connection:
        assert revision(connection) == newest_revision()
    assert state(installed) is TriggerState.CURRENT


def test_a_migration_installs_no_triggers_where_there_were_none(engine: Engine) -> None:
    some_releases_back(engine)
    upgrade(engine)
    assert objects(engine) == []


def test_the_trial_names_all_that_is_not_refused(engine: Engine) -> None:
    problems = failed_trials(engine)
    assert [problem.removesuffix(" was not refused") for problem in problems] == [
        "a version inserted as READY",
        "a version inserted in a stage",
        "a version that becomes READY",
        "a version moved to Staging",
        "a version moved to Production",
        "an alias",
        "changed evidence",
        "deleted evidence",
        "a changed verdict",
        "a deleted verdict",
        "a changed line of the log",
        "a deleted line of the log",
        "a log that was put back",
    ]


def test_the_trial_notices_triggers_that_refuse_everything(installed: Engine) -> None:
    refuse_all = {
        "sqlite": "CREATE TRIGGER xray_gate_all BEFORE UPDATE ON model_versions "
        "BEGIN SELECT RAISE(ABORT, 'xray-gate: no'); END",
        "postgresql": "CREATE TRIGGER all_refused BEFORE UPDATE ON model_versions "
        "FOR EACH ROW EXECUTE FUNCTION xray_gate_only_grows()",
    }
    run(installed, refuse_all[installed.dialect.name])
    (problem,) = failed_trials(installed)
    assert problem.startswith("an admitted version cannot become READY: xray-gate: ")


@pytest.mark.parametrize("with_triggers", [True, False])
def test_the_trial_leaves_nothing_behind(engine: Engine, with_triggers: bool) -> None:
    if with_triggers:
        with engine.begin() as connection:
            install(connection)
    before = _all_rows(engine)
    failed_trials(engine)
    assert _all_rows(engine) == before


def _all_rows(engine: Engine) -> dict[str, list[object]]:
    with engine.connect() as connection:
        return {
            name: list(connection.exec_driver_sql(f'SELECT * FROM "{name}"').all())
            for name in sqlalchemy.inspect(connection).get_table_names()
        }


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_every_message_names_the_gate_and_a_next_step(dialect: str) -> None:
    raising = [part for part in statements(dialect, CREATE) if "RAISE" in part]
    assert raising
    for statement in raising:
        for message in statement.split("RAISE")[1:]:
            assert "'xray-gate: " in message
            assert "; " in message.partition("'xray-gate: ")[2]
