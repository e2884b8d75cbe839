"""Aliases and stages: which of them a version has, and which a policy asks no verdict for."""

from typing import Any

from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModelAlias
from sqlalchemy import Connection, select

from xray_gate.core.verdict import Enforcement, Place
from xray_gate.policy.files import Policy
from xray_gate.policy.globs import matches_glob
from xray_gate.registry.rows import key_of
from xray_gate.scan.work import Promotion, VersionKey

PROMOTING_STAGES = ("Staging", "Production")


def is_free(policy: Policy, promotion: Promotion) -> bool:
    """Whether a version may have this under `policy` without a verdict."""
    if policy.document.mode(Place.PROMOTION) is Enforcement.OFF:
        return True
    asked = policy.document.promotion
    if promotion.kind == "stage":
        return promotion.value not in asked.stages
    return any(matches_glob(promotion.value, glob) for glob in asked.free_aliases)


def copies_promote(policy: Policy, into: str) -> bool:
    """Whether a copy into the registered model `into` needs an admitting verdict first."""
    copies = policy.document.promotion.copies
    if policy.document.mode(Place.PROMOTION) is Enforcement.OFF:
        return False
    if isinstance(copies, bool):
        return copies
    return any(matches_glob(into, glob) for glob in copies)


def aliases_of(connection: Connection, key: VersionKey) -> list[str]:
    """The aliases that a version has in the database, in no order."""
    table = SqlRegisteredModelAlias.__table__
    held = select(table.c.alias).where(
        table.c.workspace == key.workspace,
        table.c.name == key.name,
        table.c.version == key.version,
    )
    return list(connection.execute(held).scalars())


def held_promotions(connection: Connection, version: Any) -> list[Promotion]:
    """The aliases and the stage that a version's row has in the database."""
    held = [Promotion("alias", alias) for alias in aliases_of(connection, key_of(version))]
    if version.current_stage in PROMOTING_STAGES:
        held.append(Promotion("stage", version.current_stage))
    return held
