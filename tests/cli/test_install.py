from pathlib import Path

import pytest
import sqlalchemy

from tests.cli.conftest import Command
from tests.support.databases import Databases, dispose
from xray_gate.ledger.schema import newest_revision
from xray_gate.ledger.triggers.installing import TriggerState, trigger_state


def state(database: str) -> TriggerState:
    engine = sqlalchemy.create_engine(database)
    with engine.connect() as connection:
        found = trigger_state(connection)
    engine.dispose()
    return found


def test_installs_and_says_what_it_did(database: str, command: Command) -> None:
    uri = f"xray-gate+{database}"
    ended = command("install", "--registry-uri", uri)
    tables = f"ledger: its tables are there (schema {newest_revision()})\n"
    assert (ended.code, ended.out) == (0, f"{tables}triggers: installed\n")
    assert state(database) is TriggerState.CURRENT
    again = command("install", "--registry-uri", uri)
    assert (again.code, again.out.splitlines()[1]) == (
        0,
        "triggers: were there already, and are those of this release",
    )


def test_removes_the_triggers_and_leaves_the_ledger(database: str, command: Command) -> None:
    uri = f"xray-gate+{database}"
    command("install", "--registry-uri", uri)
    ended = command("install", "--remove", "--registry-uri", uri)
    assert (ended.code, ended.out) == (0, "triggers: removed\nledger: left as it is\n")
    assert state(database) is TriggerState.ABSENT
    again = command("install", "--remove", "--registry-uri", uri)
    assert again.out.startswith("triggers: there were none\n")


@pytest.mark.parametrize("arguments", [[], ["--registry-uri", "sqlite:///m.db"]])
def test_a_registry_must_be_named(command: Command, arguments: list[str]) -> None:
    ended = command("install", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "xray-gate+" in ended.err


def test_an_account_without_the_right_is_told(
    postgres_database: str, databases: Databases, command: Command
) -> None:
    owner = sqlalchemy.create_engine(postgres_database)
    with owner.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE guest LOGIN")
        connection.exec_driver_sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO guest")
    guest = postgres_database.replace("postgres@", "guest@")
    ended = command("install", "--registry-uri", f"xray-gate+{guest}")
    assert (ended.code, ended.out) == (2, "")
    assert "permission denied" in ended.err
    assert "use the account that owns its tables" in ended.err
    dispose(guest)
    with owner.begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY guest")
        connection.exec_driver_sql("DROP ROLE guest")
    owner.dispose()


def test_the_help_says_what_the_triggers_are_for(command: Command) -> None:
    said = " ".join(command("install", "--help").out.split())
    assert "The MLflow server with the gate does not need them" in said
    assert "a second line, for writers that do not pass it" in said
    assert "remove them; afterwards, install them again" in said


def test_an_empty_database_is_made_ready(tmp_path: Path, command: Command) -> None:
    database = f"sqlite:///{tmp_path / 'new.db'}"
    assert command("install", "--registry-uri", f"xray-gate+{database}").code == 0
    assert state(database) is TriggerState.CURRENT
    dispose(database)
