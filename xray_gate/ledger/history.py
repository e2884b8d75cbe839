"""All that was scanned, as it counts today."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, and_, select

from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Verdict
from xray_gate.ledger import mlflow_tables
from xray_gate.ledger.newest import of_newest_verdict, superseded
from xray_gate.ledger.tables import registrations, scans, verdicts
from xray_gate.policy.replay import PastScan, Promoted
from xray_gate.scan.work import VersionKey, VersionState

_AT_ONCE = 500
# What a promotion admits, and whether a registration does, too.
_PROMOTABLE = ((VersionState.ADMITTED, 1), (VersionState.REFUSED, 3))
_STAGES = ("Staging", "Production")


def past_scans(connection: Connection, workspace: str, now: float) -> Iterator[PastScan]:
    """Every version of a workspace that has evidence and is not deleted, oldest first.

    `now`, in seconds since the epoch, is when an exception must not have ended. Evidence is read
    some hundreds at a time: a ledger may hold more than fits into memory.
    """
    aliases, tags = _aliases(connection, workspace), _tags(connection, workspace)
    statement = (
        select(
            registrations,
            scans.c.evidence,
            of_newest_verdict(verdicts.c.verdict).label("verdict"),
            of_newest_verdict(verdicts.c.admits).label("admits"),
            of_newest_verdict(verdicts.c.admits_until).label("admits_until"),
            mlflow_tables.versions.c.current_stage,
        )
        .join(scans, scans.c.scan_id == registrations.c.scan_id)
        .outerjoin(
            mlflow_tables.versions,
            and_(
                mlflow_tables.versions.c.workspace == registrations.c.workspace,
                mlflow_tables.versions.c.name == registrations.c.name,
                mlflow_tables.versions.c.version == registrations.c.version,
            ),
        )
        .where(
            registrations.c.workspace == workspace,
            registrations.c.state.not_in((VersionState.DELETED, VersionState.WAITING)),
            ~superseded(),
        )
        .order_by(registrations.c.id)
        .execution_options(yield_per=_AT_ONCE)
    )
    for row in connection.execute(statement):
        yield _past(row, aliases[(row.name, row.version)], tags[row.name], now)


def _past(row: Row[Any], aliases: list[str], tags: dict[str, str], now: float) -> PastScan:
    ended = row.admits_until is not None and row.admits_until <= now
    promoted: list[Promoted] = [("alias", alias) for alias in sorted(aliases)]
    if row.current_stage in _STAGES:
        promoted.append(("stage", row.current_stage))
    return PastScan(
        ref=str(VersionKey(row.workspace, row.name, row.version)),
        registered_model=row.name,
        evidence=Evidence.from_json(json.loads(row.evidence)),
        verdict=Verdict(row.verdict),
        admitted=(row.state, row.admits) in _PROMOTABLE and not ended,
        promoted=tuple(promoted),
        withdrawn=row.state == VersionState.REVOKED,
        tags=tags,
    )


def _aliases(connection: Connection, workspace: str) -> defaultdict[tuple[str, int], list[str]]:
    table = mlflow_tables.aliases
    found: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for row in connection.execute(select(table).where(table.c.workspace == workspace)):
        found[(row.name, row.version)].append(row.alias)
    return found


def _tags(connection: Connection, workspace: str) -> defaultdict[str, dict[str, str]]:
    table = mlflow_tables.model_tags
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in connection.execute(select(table).where(table.c.workspace == workspace)):
        found[row.name][row.key] = row.value or ""
    return found
