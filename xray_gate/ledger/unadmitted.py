"""What stands in the registry as promoted although no verdict admits it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
)

from xray_gate.ledger.mlflow_tables import aliases as _aliases
from xray_gate.ledger.mlflow_tables import model_tags as _model_tags
from xray_gate.ledger.mlflow_tables import versions as _versions
from xray_gate.ledger.newest import of_newest_verdict, superseded
from xray_gate.ledger.tables import registrations, verdicts
from xray_gate.scan.work import Promotion, VersionKey, VersionState

_WITHOUT_FILES = ("dummy-source", "prompt-template")
NOT_READY = ("PENDING_REGISTRATION", "FAILED_REGISTRATION")
_NO_PROMOTION = ("None", "Archived")
DELETED_STAGE = "Deleted_Internal"
_LOCATION = func.coalesce(func.nullif(_versions.c.storage_location, ""), _versions.c.source)


@dataclass(frozen=True)
class Unadmitted:
    """A version, and what it has that only an admission would give it."""

    key: VersionKey
    is_ready: bool
    promotions: tuple[Promotion, ...]

    def __str__(self) -> str:
        has = ["status READY"] if self.is_ready else []
        has += [f"{promotion.kind} {promotion.value}" for promotion in self.promotions]
        return f"{self.key}: {', '.join(has)}"


def unadmitted(
    connection: Connection, is_free: Callable[[str, Promotion], bool]
) -> list[Unadmitted]:
    """Every version that is READY, in a stage or under an alias without an admitting verdict.

    Asks what the triggers ask, of versions that are there: they were written before the gate, or
    past it. Whether an exception has ended is another question (`coverage`). `is_free` says of a
    registered model's name and a promotion that it needs no verdict.
    """
    promotions: dict[VersionKey, list[Promotion]] = {}
    ready: dict[VersionKey, bool] = {}
    for row in connection.execute(_promoted()):
        key = VersionKey(row.workspace, row.name, row.version)
        ready[key] = row.status not in NOT_READY and not row.may_be_ready
        held = promotions.setdefault(key, [])
        if row.alias is not None:
            held.append(Promotion("alias", row.alias))
        stage = Promotion("stage", row.current_stage or "None")
        if stage.value not in _NO_PROMOTION and stage not in held:
            held.append(stage)
    found = [
        Unadmitted(key, ready[key], tuple(p for p in held if not is_free(key.name, p)))
        for key, held in promotions.items()
    ]
    return [item for item in found if item.is_ready or item.promotions]


def _promoted() -> Select[Any]:
    """Versions that nothing admits and something promotes, once for each alias."""
    of_version = and_(
        _aliases.c.workspace == _versions.c.workspace,
        _aliases.c.name == _versions.c.name,
        _aliases.c.version == _versions.c.version,
    )
    stage = func.coalesce(_versions.c.current_stage, "None")
    promoted = or_(
        func.coalesce(_versions.c.status, "").not_in(NOT_READY),
        stage.not_in(_NO_PROMOTION),
        _aliases.c.alias.is_not(None),
    )
    return (
        select(_versions, _aliases.c.alias, _may_be_ready().label("may_be_ready"))
        .outerjoin(_aliases, of_version)
        .where(stage != DELETED_STAGE, promoted, ~_is_admitted(), ~is_prompt())
        .order_by(_versions.c.workspace, _versions.c.name, _versions.c.version, _aliases.c.alias)
    )


def _is_admitted() -> ColumnElement[bool]:
    return _registered(
        and_(
            registrations.c.state == VersionState.ADMITTED,
            of_newest_verdict(verdicts.c.admits) == 1,
        )
    )


def _may_be_ready() -> ColumnElement[bool]:
    """What a policy lets be READY and no more: unscanned, or whatever its verdict."""
    return _registered(
        or_(
            registrations.c.state == VersionState.UNSCANNED,
            and_(
                registrations.c.state == VersionState.ADMITTED,
                of_newest_verdict(verdicts.c.admits) == 2,
            ),
        )
    )


def _registered(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(
        registrations.c.workspace == _versions.c.workspace,
        registrations.c.name == _versions.c.name,
        registrations.c.version == _versions.c.version,
        registrations.c.location == _LOCATION,
        condition,
        ~superseded(),
    )


def is_prompt() -> ColumnElement[bool]:
    """Whether a row of MLflow's versions is a prompt, which has nothing to scan."""
    # The tag alone is not believed: a prompt has no files.
    return and_(
        func.coalesce(_versions.c.source, "").in_(_WITHOUT_FILES),
        func.coalesce(_LOCATION, "").in_(_WITHOUT_FILES),
        exists().where(
            _model_tags.c.workspace == _versions.c.workspace,
            _model_tags.c.name == _versions.c.name,
            _model_tags.c.key == "mlflow.prompt.is_prompt",
            func.lower(_model_tags.c.value) == "true",
        ),
    )
