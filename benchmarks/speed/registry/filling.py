"""Fills a registry with finished versions by SQL, past MLflow and the gate.

Registering a hundred thousand versions one by one would take an hour. Their evidence is an empty
document, which the look for waiting versions never reads.
"""

from __future__ import annotations

from typing import Any

from mlflow.store.model_registry.dbmodels.models import SqlModelVersion, SqlRegisteredModel
from sqlalchemy import Connection, case, func, insert, literal, select, text

from benchmarks.speed.registry.place import SOURCE, Place
from xray_gate.core.verdict import Verdict
from xray_gate.ledger.tables import registrations, scans, verdicts
from xray_gate.scan.work import VersionState

NAME = "filled"
_AT_ONCE = 5_000


def fill(place: Place, finished: int) -> None:
    """Add versions until the ledger holds ``finished`` ones, all of one registered model.

    Half of them are admitted and half refused, each with a scan and a verdict.
    """
    with place.engine.begin() as connection:
        _make_model(connection)
        there = _versions(connection)
        missing = range(there + 1, there + 1 + finished - place.finished())
        for start in range(0, len(missing), _AT_ONCE):
            numbers = missing[start : start + _AT_ONCE]
            connection.execute(insert(SqlModelVersion.__table__), [_version(n) for n in numbers])
            connection.execute(insert(registrations), [_registration(n) for n in numbers])
        _add_scans(connection)
    if place.engine.dialect.name == "postgresql":
        # What its autovacuum would do within a minute.
        with place.engine.begin() as connection:
            connection.execute(text("ANALYZE"))


def _make_model(connection: Connection) -> None:
    table = SqlRegisteredModel.__table__
    if connection.execute(select(table).where(table.c.name == NAME)).first() is None:
        connection.execute(insert(table).values(name=NAME))


def _versions(connection: Connection) -> int:
    count = select(func.count()).select_from(registrations).where(registrations.c.name == NAME)
    return int(connection.execute(count).scalar_one())


def _version(number: int) -> dict[str, Any]:
    return {"name": NAME, "version": number, "source": SOURCE, "storage_location": SOURCE}


def _registration(number: int) -> dict[str, Any]:
    return {
        "workspace": "default",
        "name": NAME,
        "version": number,
        "location": SOURCE,
        "state": VersionState.ADMITTED if number % 2 else VersionState.REFUSED,
        "created_at": float(number),
        "lease_until": float(number),
        "attempts": 1,
        "scan_id": f"{NAME}-{number}",
    }


def _add_scans(connection: Connection) -> None:
    """A scan and a verdict for each filled registration that has none."""
    of_fill = registrations.c.name == NAME
    new = (
        of_fill
        & ~select(scans.c.scan_id).where(scans.c.scan_id == registrations.c.scan_id).exists()
    )
    admitted = registrations.c.state == VersionState.ADMITTED
    verdict = select(
        registrations.c.id,
        registrations.c.scan_id,
        case((admitted, Verdict.PASSED), else_=Verdict.FAILED),
        case((admitted, 1), else_=0),
        literal("[]"),
        literal("filled"),
        literal("filled"),
        registrations.c.created_at,
    ).where(new)
    columns = ("registration_id", "scan_id", "verdict", "admits", "reasons", "policy_name")
    connection.execute(
        insert(verdicts).from_select([*columns, "policy_digest", "created_at"], verdict)
    )
    scan = select(
        registrations.c.scan_id, literal("filled"), literal("{}"), registrations.c.created_at
    ).where(new)
    connection.execute(
        insert(scans).from_select(["scan_id", "digest", "evidence", "created_at"], scan)
    )
