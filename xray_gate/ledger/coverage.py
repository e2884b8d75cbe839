"""How far the gate reaches into a registry: what was scanned, and what stands on an exception."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Excuse
from xray_gate.ledger import mlflow_tables
from xray_gate.ledger.newest import of_newest_verdict, superseded
from xray_gate.ledger.records import read_excuses
from xray_gate.ledger.tables import registrations, scans, verdicts
from xray_gate.ledger.unadmitted import DELETED_STAGE, NOT_READY, is_prompt
from xray_gate.scan.inventory import Inventoried
from xray_gate.scan.work import Promotion, VersionKey, VersionState

_STAGES = ("Staging", "Production")


@dataclass(frozen=True)
class OnException:
    """A version that is promoted, and the exceptions that its newest verdict names."""

    key: VersionKey
    promotions: tuple[Promotion, ...]
    excused_by: tuple[Excuse, ...]
    evidence: Evidence


def inventory(connection: Connection) -> list[Inventoried]:
    """Every version of every registered model that is no prompt, by name and number."""
    versions, held = mlflow_tables.versions, _aliases(connection)
    newest = and_(_of(versions), ~superseded(), registrations.c.state != VersionState.DELETED)
    statement = (
        select(
            versions,
            registrations.c.state,
            registrations.c.scan_id,
            of_newest_verdict(verdicts.c.verdict).label("verdict"),
        )
        .select_from(versions)
        .outerjoin(registrations, newest)
        .where(versions.c.current_stage.is_distinct_from(DELETED_STAGE), ~is_prompt())
        .order_by(versions.c.workspace, versions.c.name, versions.c.version)
    )
    return [_inventoried(row, held) for row in connection.execute(statement)]


def promoted_on_exceptions(connection: Connection) -> Iterator[OnException]:
    """Every version under an alias or in a stage whose newest verdict names exceptions."""
    versions, held = mlflow_tables.versions, _aliases(connection)
    excuses = of_newest_verdict(verdicts.c.exceptions)
    statement = (
        select(versions, excuses.label("excuses"), scans.c.evidence)
        .select_from(versions)
        .join(registrations, _of(versions))
        .join(scans, scans.c.scan_id == registrations.c.scan_id)
        .where(
            registrations.c.state == VersionState.ADMITTED,
            excuses.is_not(None),
            versions.c.current_stage.is_distinct_from(DELETED_STAGE),
            ~superseded(),
        )
        .order_by(versions.c.workspace, versions.c.name, versions.c.version)
    )
    for row in connection.execute(statement):
        key, promotions = _key(row), _promotions(row, held)
        if promotions:
            evidence = Evidence.from_json(json.loads(row.evidence))
            yield OnException(key, promotions, read_excuses(row.excuses), evidence)


def _inventoried(row: Row[Any], held: dict[VersionKey, list[str]]) -> Inventoried:
    return Inventoried(
        key=_key(row),
        is_ready=row.status not in NOT_READY,
        location=row.storage_location or row.source,
        promotions=_promotions(row, held),
        state=None if row.state is None else VersionState(row.state),
        verdict=row.verdict,
        is_scanned=row.scan_id is not None,
    )


def _of(versions: Any) -> ColumnElement[bool]:
    return and_(
        registrations.c.workspace == versions.c.workspace,
        registrations.c.name == versions.c.name,
        registrations.c.version == versions.c.version,
    )


def _key(row: Row[Any]) -> VersionKey:
    return VersionKey(row.workspace, row.name, int(row.version))


def _promotions(row: Row[Any], held: dict[VersionKey, list[str]]) -> tuple[Promotion, ...]:
    found = [Promotion("alias", alias) for alias in sorted(held.get(_key(row), []))]
    if row.current_stage in _STAGES:
        found.append(Promotion("stage", row.current_stage))
    return tuple(found)


def _aliases(connection: Connection) -> dict[VersionKey, list[str]]:
    found: dict[VersionKey, list[str]] = {}
    for row in connection.execute(select(mlflow_tables.aliases)):
        found.setdefault(_key(row), []).append(row.alias)
    return found
