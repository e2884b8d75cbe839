"""One database with the gate's store, MLflow's own store and a runner's side on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Engine, func, select

from xray_gate.core.evidence import Evidence
from xray_gate.ledger.ledger import Ledger
from xray_gate.ledger.schema import upgrade
from xray_gate.ledger.tables import registrations
from xray_gate.policy.decision import decide
from xray_gate.policy.files import PolicyPlace
from xray_gate.registry.gated_store import GatedStore, GateParts
from xray_gate.registry.work import RegistryWork
from xray_gate.scan.work import Settlement

SOURCE = "s3://models/signs"


@dataclass(frozen=True)
class Place:
    """The stores and the runner's queue of one registry.

    Attributes:
        gated: MLflow's store with the gate. It does not wait for a quick verdict.
        plain: MLflow's own store on the same database.
        work: The runner's side.
        engine: Connections to the database.
        name: A registered model that a policy is for.

    """

    gated: Any
    plain: Any
    work: RegistryWork
    engine: Engine
    name: str

    def register(self, store: Any, name: str, versions: int) -> None:
        """A registered model with versions that were never scanned."""
        store.create_registered_model(name)
        for _ in range(versions):
            store.create_model_version(name, SOURCE)

    def settle(self, evidence: Evidence) -> int:
        """Give everything that waits a verdict by this evidence; how many were admitted."""
        admitted = 0
        while (lease := self.work.claim()) is not None:
            policy = self.work.policy_for(lease)
            assert policy is not None, f"no policy is for {lease.registration.key.name}"
            own = replace(evidence, scan_id=f"speed-{lease.registration.id}")
            decision = decide(policy, own)
            self.work.finish(lease, Settlement(own, decision, policy, snapshot=SOURCE))
            admitted += decision.admits
        return admitted

    def finished(self) -> int:
        """How many registrations the ledger holds."""
        with self.engine.connect() as connection:
            count = select(func.count()).select_from(registrations)
            return int(connection.execute(count).scalar_one())


@contextmanager
def opened(uri: str, policy: Path, name: str) -> Iterator[Place]:
    """The registry at ``uri``, a SQLAlchemy URI of a database without registrations.

    Raises:
        ValueError: If somebody's versions are registered there.

    """
    plain = SqlAlchemyStore(uri)
    upgrade(plain.engine)
    ledger = Ledger()
    parts = GateParts(ledger, PolicyPlace(policy).current, wait_seconds=0.0)
    work = RegistryWork(plain.ManagedSessionMaker, ledger, "speed")
    place = Place(GatedStore(uri, parts), plain, work, plain.engine, name)
    try:
        if place.finished() or plain.search_registered_models(max_results=1):
            shown = sqlalchemy.make_url(uri).render_as_string(hide_password=True)
            raise ValueError(f"{shown}: holds registered models; give an empty database")
        yield place
    finally:
        SqlAlchemyStore._engine_map.pop(uri, None)
        plain.engine.dispose()
