"""Writes to a registry's database that do not pass the gated store, and what becomes of them.

`prevented`: with the triggers nothing is promoted by it; where they are missing, `xray-gate doctor`
lists what it promoted. `detected`: `xray-gate doctor` names it. `out of scope`: for the reason. All
attempts are made in `test_other_writers.py`; docs/threat-model.md has the same rows.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click
from click.testing import CliRunner
from mlflow.entities.workspace import Workspace, WorkspaceDeletionMode
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking
from mlflow.store.workspace.sqlalchemy_store import SqlAlchemyStore as Workspaces
from sqlalchemy import text

from tests.support.databases import dispose
from tests.support.gate import Gate

TEAM = "team-a"


@dataclass(frozen=True)
class Writer:
    """`attempt` is made on the registry of `test_other_writers.py`.

    `promotes`: where there are no triggers, it does. `wrong` is the check of `xray-gate doctor`
    that must name what is detected.
    """

    decision: Literal["prevented", "detected", "out of scope"]
    attempt: Callable[[Gate], object] | None = None
    promotes: bool = False
    wrong: str | None = None
    sqlite_only: bool = False


def _command(command: click.Command, *arguments: str) -> None:
    ended = CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False)
    if ended.exception:
        raise ended.exception


def _db(name: str, uri: str, *arguments: str) -> None:
    from mlflow.db import commands

    _command(commands, name, uri, *arguments)


def _sql(gate: Gate, *statements: str) -> None:
    with gate.connection() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _second_server(gate: Gate) -> object:
    return gate.plain.set_registered_model_alias("signs", "production", 1)


def _plain_statement(gate: Gate) -> None:
    changed = "UPDATE model_versions SET status = 'READY', current_stage = 'Production'"
    _sql(gate, f"{changed} WHERE name = 'signs' AND version = 1")


def _servers_own_job(gate: Gate) -> object:
    # Such jobs write to the database that the server was given for its runs.
    return gate.plain.create_prompt_version("signs", "Hello")


def _deleted_with_its_models(gate: Gate) -> None:
    workspaces = Workspaces(gate.uri)
    workspaces.delete_workspace(TEAM, WorkspaceDeletionMode.CASCADE)
    workspaces.create_workspace(Workspace(TEAM))
    _sql(
        gate,
        f"INSERT INTO registered_models (workspace, name) VALUES ('{TEAM}', 'signs-team')",
        "INSERT INTO model_versions (workspace, name, version, current_stage, source, status) "
        f"VALUES ('{TEAM}', 'signs-team', 1, 'None', 's3://models/other', 'READY')",
    )


def _deleted_into_the_default(gate: Gate) -> None:
    Workspaces(gate.uri).delete_workspace(TEAM, WorkspaceDeletionMode.SET_DEFAULT)


def _moved(gate: Gate) -> None:
    moved = ("--resource-type", "registered_models", "--name", "signs", "--yes")
    _db("move-resources", gate.uri, "--from", "default", "--to", TEAM, *moved)


def _all_made_default(gate: Gate) -> None:
    _db("migrate-to-default-workspace", gate.uri, "--yes")


def _schema_upgraded(gate: Gate) -> None:
    _db("upgrade", gate.uri)


def _runs_deleted(gate: Gate) -> None:
    runs = _runs(gate)
    for experiment in runs.search_experiments():
        for run in runs.search_runs([experiment.experiment_id], "", 1):
            runs.delete_run(run.info.run_id)
        if experiment.name == "xray-gate":
            runs.delete_experiment(experiment.experiment_id)


def _garbage_collected(gate: Gate) -> None:
    from mlflow.cli import gc

    _runs_deleted(gate)
    with CliRunner().isolation(env={"MLFLOW_TRACKING_URI": gate.uri}):
        _command(gc, "--backend-store-uri", gate.uri)
    assert [e.name for e in _runs(gate).search_experiments()] == ["Default"]


def _runs(gate: Gate) -> Any:
    return Tracking(gate.uri, str(gate.folder.parent / "artifacts"))


def log_a_report(gate: Gate) -> None:
    """A run as a runner logs it."""
    runs = _runs(gate)
    experiment = runs.create_experiment("xray-gate")
    runs.create_run(experiment, "runner", 0, [], "signs version 2")


def _file_store_migrated(gate: Gate) -> str:
    """MLflow writes a new database, in the place of one that is there; the URI of the new one."""
    from mlflow.store.fs2db.cli import migrate_filestore
    from mlflow.store.model_registry.file_store import FileStore

    files = gate.folder.parent / "mlruns"
    files.mkdir()
    with CliRunner().isolation(env={"MLFLOW_ALLOW_FILE_STORE": "true"}):
        old = FileStore(str(files))
        old.create_registered_model("signs")
        old.create_model_version("signs", "s3://models/old")
        old.set_registered_model_alias("signs", "champion", 1)
    target = f"sqlite:///{gate.folder.parent / 'migrated.db'}"
    _command(migrate_filestore, "--source", str(files), "--target", target, "--no-progress")
    dispose(target)
    return target


def _older_backup(gate: Gate) -> None:
    """What was there before `xray-gate install` comes back."""
    database = Path(gate.uri.removeprefix("sqlite:///"))
    backup = gate.folder.parent / "backup.db"
    with gate.without_triggers():
        _copied(database, backup)
    _copied(backup, database)


def _copied(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _registry_without_its_ledger(gate: Gate) -> None:
    """MLflow's tables come back from a back-up in which a version was promoted."""
    _sql(
        gate,
        "INSERT INTO registered_models (workspace, name) VALUES ('default', 'signs-old')",
        "INSERT INTO model_versions (workspace, name, version, current_stage, source, status) "
        "VALUES ('default', 'signs-old', 1, 'Production', 's3://models/old', 'READY')",
    )


def _trigger_dropped(gate: Gate) -> None:
    if gate.uri.startswith("postgresql"):
        _sql(gate, "DROP TRIGGER xray_gate_alias_check ON registered_model_aliases")
    else:
        _sql(gate, "DROP TRIGGER xray_gate_alias_insert")


def prevented(attempt: Callable[[Gate], object], *, promotes: bool) -> Writer:
    return Writer("prevented", attempt, promotes)


def detected(attempt: Callable[[Gate], object], wrong: str, *, sqlite_only: bool = False) -> Writer:
    return Writer("detected", attempt, wrong=wrong, sqlite_only=sqlite_only)


OTHER_WRITERS: dict[str, Writer] = {
    "a second server without the plugin": prevented(_second_server, promotes=True),
    "a client on the database": prevented(_plain_statement, promotes=True),
    "jobs that MLflow's server starts": prevented(_servers_own_job, promotes=True),
    "a workspace deleted with its models": prevented(_deleted_with_its_models, promotes=True),
    "a workspace deleted, its models moved": prevented(_deleted_into_the_default, promotes=True),
    "`mlflow db move-resources`": prevented(_moved, promotes=True),
    "`mlflow db migrate-to-default-workspace`": prevented(_all_made_default, promotes=True),
    "MLflow's tables out of a back-up": prevented(_registry_without_its_ledger, promotes=True),
    "`mlflow db upgrade`": prevented(_schema_upgraded, promotes=False),
    "deleting the run with the report": prevented(_runs_deleted, promotes=False),
    "`mlflow gc`": prevented(_garbage_collected, promotes=False),
    "`mlflow migrate-filestore`": detected(_file_store_migrated, "schema", sqlite_only=True),
    "a back-up from before `install`": detected(_older_backup, "triggers", sqlite_only=True),
    "dropping a trigger": detected(_trigger_dropped, "triggers"),
    "a back-up from before a withdrawal": Writer("out of scope"),
    "an admitting row that the tables' owner writes": Writer("out of scope"),
    "writing over kept bytes": Writer("out of scope"),
}
