import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from tests.cli.conftest import Command
from tests.support.evidence import unscannable
from tests.support.gate import Gate

CHECKS = [
    *("database", "schema", "triggers", "trial", "runner", "queue", "promoted"),
    *("exceptions", "break-glass", "coverage"),
]
Doctor = Callable[[str], tuple[int, dict[str, Any]]]


@pytest.fixture
def healthy(database: str, tmp_path: Path) -> Gate:
    """A registry with triggers, a runner, and one version that was admitted."""
    gate = Gate(database, tmp_path / "policies", triggers=True)
    gate.work.heartbeat()
    gate.admitted()
    gate.store.set_registered_model_alias("signs", "champion", 1)
    return gate


@pytest.fixture
def doctor(command: Command) -> Doctor:
    """The exit code, and each finding by its check."""

    def call(database: str) -> tuple[int, dict[str, Any]]:
        ended = command("doctor", "--registry-uri", f"xray-gate+{database}", "--format", "json")
        told = json.loads(ended.out)
        assert told["healthy"] == (ended.code == 0)
        return ended.code, {check["check"]: check for check in told["checks"]}

    return call


def wrong(found: dict[str, Any]) -> list[str]:
    return [name for name, check in found.items() if check["outcome"] == "wrong"]


def test_all_is_well(healthy: Gate, command: Command) -> None:
    ended = command("doctor", "--registry-uri", f"xray-gate+{healthy.uri}")
    lines = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert [line.split()[:2] for line in lines] == [["ok", check] for check in CHECKS]


def test_the_trial_leaves_a_registry_as_it_is(healthy: Gate, doctor: Doctor) -> None:
    def rows() -> dict[str, list[Any]]:
        with healthy.connection() as connection:
            names = sqlalchemy.inspect(connection).get_table_names()
            return {
                name: list(connection.exec_driver_sql(f'SELECT * FROM "{name}"').all())
                for name in names
            }

    before = rows()
    assert doctor(healthy.uri)[0] == 0
    assert rows() == before


def test_without_triggers_something_is_wrong(healthy: Gate, doctor: Doctor) -> None:
    with healthy.without_triggers():
        code, found = doctor(healthy.uri)
    assert (code, wrong(found)) == (1, ["triggers", "trial"])
    assert "are not installed" in found["triggers"]["text"]
    assert "an alias was not refused" in found["trial"]["details"]


def test_a_changed_trigger_is_found_by_its_text_and_by_trying(
    healthy: Gate, doctor: Doctor
) -> None:
    changed = {
        "sqlite": "DROP TRIGGER xray_gate_alias_insert",
        "postgresql": "ALTER TABLE registered_model_aliases DISABLE TRIGGER USER",
    }
    with healthy.connection() as connection:
        connection.exec_driver_sql(changed[connection.dialect.name])
    code, found = doctor(healthy.uri)
    assert (code, wrong(found)) == (1, ["triggers", "trial"])
    assert "or were changed" in found["triggers"]["text"]
    assert found["trial"]["details"] == ["an alias was not refused"]


def test_an_older_ledger_is_named_and_left_alone(healthy: Gate, doctor: Doctor) -> None:
    with healthy.connection() as connection:
        connection.exec_driver_sql("UPDATE xray_gate_alembic_version SET version_num = '0000'")
    code, found = doctor(healthy.uri)
    assert (code, wrong(found)) == (1, ["schema"])
    assert "are 0000, not this release's" in found["schema"]["text"]
    assert {found[check]["outcome"] for check in CHECKS[2:]} == {"skipped"}


def test_a_registry_without_a_ledger_is_named(database: str, doctor: Doctor) -> None:
    code, found = doctor(database)
    assert (code, wrong(found)) == (1, ["schema"])
    assert "the ledger has no tables" in found["schema"]["text"]


def test_a_silent_runner_is_wrong(healthy: Gate, doctor: Doctor) -> None:
    with healthy.connection() as connection:
        connection.exec_driver_sql("UPDATE xray_gate_runners SET last_seen = last_seen - 7200")
    code, found = doctor(healthy.uri)
    assert (code, wrong(found)) == (1, ["runner"])
    assert found["runner"]["text"] == "last seen 2 h ago; start `xray-gate runner`"
    with healthy.connection() as connection:
        connection.exec_driver_sql("DELETE FROM xray_gate_runners")
    assert "none has ever been seen" in doctor(healthy.uri)[1]["runner"]["text"]


def test_the_queue_is_told(healthy: Gate, doctor: Doctor) -> None:
    healthy.judged(unscannable())
    healthy.register()
    healthy.register()
    with healthy.connection() as connection:
        connection.exec_driver_sql(
            "UPDATE xray_gate_registrations SET created_at = created_at - 600 "
            "WHERE state = 'waiting'"
        )
    code, found = doctor(healthy.uri)
    assert code == 0
    assert found["queue"]["text"] == (
        "2 version(s) wait, the oldest since 10 min; 1 refused because they could not be scanned "
        "or decided"
    )


def test_what_runners_gave_up_is_told(healthy: Gate, doctor: Doctor) -> None:
    healthy.judged(unscannable())
    with healthy.connection() as connection:
        connection.exec_driver_sql(
            "UPDATE xray_gate_registrations SET state = 'dead_letter' WHERE version = 2"
        )
    assert doctor(healthy.uri)[1]["queue"]["text"] == (
        "no version waits; 0 refused because they could not be scanned or decided; 1 given up by "
        "runners (`xray-gate status` lists them)"
    )


def test_what_was_promoted_past_the_gate_is_listed(healthy: Gate, doctor: Doctor) -> None:
    healthy.unscanned("signs-old")
    healthy.register("signs-waiting")
    with healthy.without_triggers():
        healthy.plain.set_registered_model_alias("signs-waiting", "champion", 1)
        healthy.plain.set_registered_model_alias("signs-waiting", "best", 1)
        healthy.plain.transition_model_version_stage("signs-old", 1, "Production", False)
        with healthy.connection() as connection:
            connection.exec_driver_sql(
                "UPDATE model_versions SET storage_location = 's3://evil' WHERE name = 'signs'"
            )
    code, found = doctor(healthy.uri)
    assert (code, wrong(found)) == (1, ["promoted"])
    assert found["promoted"]["details"] == [
        "signs/1: status READY, alias champion",
        "signs-old/1: status READY, stage Production",
        "signs-waiting/1: alias best, alias champion",
    ]


def test_what_needs_no_verdict_is_no_finding(healthy: Gate, doctor: Doctor) -> None:
    healthy.set_policy(promotion={"free_aliases": ["dev"], "stages": ["Production"]})
    healthy.register()
    healthy.store.set_registered_model_alias("signs", "dev", 2)
    healthy.store.transition_model_version_stage("signs", 2, "Staging", False)
    healthy.store.create_prompt("greeting")
    healthy.store.create_prompt_version("greeting", "Hello")
    healthy.store.set_prompt_alias("greeting", "production", 1)
    healthy.admitted("signs-gone")
    healthy.store.delete_model_version("signs-gone", 1)
    assert doctor(healthy.uri)[0] == 0


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path, doctor: Doctor) -> None:
    place = tmp_path / "nothing.db"
    code, found = doctor(f"sqlite:///{place}")
    assert (code, list(found)) == (1, ["database"])
    assert "there is no such file" in found["database"]["text"]
    assert not place.exists()


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "holds no registry of MLflow's"), (b"text" * 300, "not a database")]
)
def test_another_file_is_no_registry(
    tmp_path: Path, doctor: Doctor, content: bytes, why: str
) -> None:
    place = tmp_path / "other.db"
    place.write_bytes(content)
    code, found = doctor(f"sqlite:///{place}")
    assert (code, list(found)) == (1, ["database"])
    assert why in found["database"]["text"]


def test_a_database_that_is_down_is_named_without_its_password(doctor: Doctor) -> None:
    code, found = doctor("postgresql://me:secret@127.0.0.1:9/mlflow")
    assert (code, list(found)) == (1, ["database"])
    assert "cannot be reached" in found["database"]["text"]
    assert "secret" not in json.dumps(found)


def test_an_account_that_may_not_read_the_ledger_is_told(
    postgres_database: str, tmp_path: Path, doctor: Doctor
) -> None:
    gate = Gate(postgres_database, tmp_path / "policies", triggers=True)
    with gate.connection() as connection:
        connection.exec_driver_sql("CREATE ROLE reader LOGIN")
    code, found = doctor(postgres_database.replace("postgres@", "reader@"))
    with gate.connection() as connection:
        connection.exec_driver_sql("DROP ROLE reader")
    assert (code, list(found)) == (1, ["database"])
    assert "permission denied" in found["database"]["text"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--registry-uri", "sqlite:///m.db"],
        ["--registry-uri", "xray-gate+sqlite:///m.db", "--server", "127.0.0.1:5000"],
    ],
)
def test_usage_ends_with_2(command: Command, arguments: list[str]) -> None:
    ended = command("doctor", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
