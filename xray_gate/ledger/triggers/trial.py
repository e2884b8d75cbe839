"""Asks the triggers themselves: what must be refused is tried, and nothing of it stays."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

_REFUSAL = "xray-gate:"
_MODEL = "INSERT INTO registered_models (workspace, name) VALUES ('default', :name)"
_VERSION = (
    "INSERT INTO model_versions (workspace, name, version, current_stage, source, status) "
    "VALUES ('default', :name, :version, :stage, 's3://tried', :status)"
)
_READY = (
    "UPDATE model_versions SET status = 'READY' "
    "WHERE workspace = 'default' AND name = :name AND version = 1"
)
_STAGE = (
    "UPDATE model_versions SET current_stage = :stage "
    "WHERE workspace = 'default' AND name = :name AND version = 1"
)
_ALIAS = (
    "INSERT INTO registered_model_aliases (workspace, name, alias, version) "
    "VALUES ('default', :name, 'tried', 1)"
)
_REGISTRATION = (
    "INSERT INTO xray_gate_registrations (id, workspace, name, version, location, state, "
    "created_at, lease_until, attempts) "
    "VALUES (:id, 'default', :name, 1, 's3://tried', 'admitted', 0, 0, 0)"
)
_SCAN = (
    "INSERT INTO xray_gate_scans (scan_id, digest, evidence, created_at) "
    "VALUES (:scan, 'tried', 'tried', 0)"
)
_VERDICT = (
    "INSERT INTO xray_gate_verdicts (id, registration_id, verdict, admits, reasons, policy_name, "
    "policy_digest, created_at) VALUES (:id, :id, 'tried', 1, '[]', 'tried', 'tried', 0)"
)


@dataclass(frozen=True)
class _Trial:
    what: str
    statement: str
    values: Mapping[str, object]


def failed_trials(engine: Engine) -> list[str]:
    """What the database did not refuse, or refused wrongly; empty when its triggers work.

    Everything happens under a random name in one transaction, which is always rolled back: no
    other session sees any of it, and the locks last some milliseconds. Raises `DBAPIError` when
    nothing can be tried.
    """
    with engine.connect() as connection:
        try:
            _begin(connection)
            return _try_all(connection)
        finally:
            connection.rollback()


def _begin(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
    else:
        # Savepoints begin no transaction of SQLite's driver, and would commit.
        connection.execute(text("BEGIN IMMEDIATE"))


def _try_all(connection: Connection) -> list[str]:
    number = uuid.uuid4()
    name = f"xray-gate-doctor-{number.hex}"
    # Below zero, so that no sequence is touched, and no real row has it.
    ledger = {"id": -1 - number.int % 2**31, "scan": f"doctor-{number.hex[:24]}"}
    waiting = {"name": name, "version": 1, "stage": "None", "status": "PENDING_REGISTRATION"}
    connection.execute(text(_MODEL), {"name": name})
    connection.execute(text(_VERSION), waiting)
    problems = _not_refused(connection, _promotions(name))
    connection.execute(text(_REGISTRATION), {"name": name, **ledger})
    connection.execute(text(_SCAN), ledger)
    connection.execute(text(_VERDICT), ledger)
    problems += _not_refused(connection, _changes(ledger))
    problem = _problem(connection, _Trial("", _READY, {"name": name}))
    return problems + ([f"an admitted version cannot become READY: {problem}"] if problem else [])


def _promotions(name: str) -> list[_Trial]:
    second = {"name": name, "version": 2, "stage": "None", "status": "PENDING_REGISTRATION"}
    return [
        _Trial("a version inserted as READY", _VERSION, {**second, "status": "READY"}),
        _Trial("a version inserted in a stage", _VERSION, {**second, "stage": "Production"}),
        _Trial("a version that becomes READY", _READY, {"name": name}),
        *(
            _Trial(f"a version moved to {stage}", _STAGE, {"name": name, "stage": stage})
            for stage in ("Staging", "Production")
        ),
        _Trial("an alias", _ALIAS, {"name": name}),
    ]


def _changes(ledger: Mapping[str, object]) -> list[_Trial]:
    statements = {
        "changed evidence": "UPDATE xray_gate_scans SET evidence = '' WHERE scan_id = :scan",
        "deleted evidence": "DELETE FROM xray_gate_scans WHERE scan_id = :scan",
        "a changed verdict": "UPDATE xray_gate_verdicts SET admits = 1 WHERE id = :id",
        "a deleted verdict": "DELETE FROM xray_gate_verdicts WHERE id = :id",
        # The log has a first line from its beginning.
        "a changed line of the log": "UPDATE xray_gate_log SET actor = 'tried' WHERE seq = 1",
        "a deleted line of the log": "DELETE FROM xray_gate_log WHERE seq = 1",
        "a log that was put back": "UPDATE xray_gate_log_head SET seq = 0",
    }
    return [_Trial(what, statement, ledger) for what, statement in statements.items()]


def _not_refused(connection: Connection, trials: list[_Trial]) -> list[str]:
    found = []
    for trial in trials:
        problem = _problem(connection, trial)
        if problem is None:
            found.append(f"{trial.what} was not refused")
        elif not problem.startswith(_REFUSAL):
            found.append(f"{trial.what} could not be tried: {problem}")
    return found


def _problem(connection: Connection, trial: _Trial) -> str | None:
    """What the database says against a statement, or None; the statement is undone."""
    savepoint = connection.begin_nested()
    try:
        connection.execute(text(trial.statement), dict(trial.values))
    except DBAPIError as error:
        return str(error.orig).partition("\n")[0]
    finally:
        savepoint.rollback()
    return None
