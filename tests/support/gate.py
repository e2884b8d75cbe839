"""A gated store, the runner's side of it, and MLflow's own store beside it, on one database."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Connection

from tests.support.evidence import clean, policy_document, write_policy
from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision
from xray_gate.ledger.ledger import Ledger
from xray_gate.ledger.schema import upgrade
from xray_gate.ledger.triggers.installing import install, remove
from xray_gate.policy.exceptions import decide_now
from xray_gate.policy.files import PolicyPlace
from xray_gate.registry.gated_store import GatedStore, GateParts
from xray_gate.registry.work import RegistryWork
from xray_gate.scan.work import Registration, Settlement, VersionKey

SOURCE = "s3://models/signs"
KEPT = "s3://kept/signs"
"""Where the runner of these tests says that it kept the bytes of every version."""


class Gate:
    """The gate without a server. `plain` writes past it, as an older server would have."""

    def __init__(self, uri: str, policies: Path, *, triggers: bool = False, **parts: Any) -> None:
        self.uri = uri
        self.kept: str | None = KEPT
        self.folder = policies
        self.set_policy()
        self.ledger = Ledger()
        self.plain: Any = SqlAlchemyStore(uri)
        upgrade(self.plain.engine)
        self._triggers = triggers
        if triggers:
            self.install_triggers()
        place = PolicyPlace(policies)
        settings: dict[str, Any] = {"wait_seconds": 0.0, **parts}
        self.parts = GateParts(self.ledger, place.current, **settings)
        self.store: Any = GatedStore(uri, self.parts)
        self.work = RegistryWork(self.plain.ManagedSessionMaker, self.ledger, "runner-1")

    def set_policy(self, name: str = "images", **changes: Any) -> None:
        """Write or replace a policy of the server's."""
        write_policy(self.folder, policy_document(name, **changes))

    def register(self, name: str = "signs", source: str = SOURCE, **more: Any) -> ModelVersion:
        """Register a version; the registered model is made where there is none."""
        if not self.plain.search_registered_models(f"name = '{name}'"):
            self.store.create_registered_model(name)
        return self.store.create_model_version(name, source, **more)

    def settle(self, evidence: Evidence) -> Decision:
        """What a runner does with the oldest waiting version, given what the scan found."""
        return self.claimed()(evidence)

    def claimed(self) -> Callable[[Evidence], Decision]:
        """Claim the oldest waiting version; call the answer with what the scan found."""
        lease = self.work.claim()
        assert lease is not None, "nothing waits for a scan"
        policy = self.work.policy_for(lease)
        assert policy is not None

        def finish(evidence: Evidence) -> Decision:
            decision = decide_now(policy, evidence, time.time())
            self.work.finish(lease, Settlement(evidence, decision, policy, "a" * 32, self.kept))
            return decision

        return finish

    def admitted(self, name: str = "signs", source: str = SOURCE, **more: Any) -> ModelVersion:
        """A version that was scanned and passed."""
        return self.judged(clean(), name, source, **more)

    def judged(
        self, evidence: Evidence, name: str = "signs", source: str = SOURCE, **more: Any
    ) -> ModelVersion:
        """A version that was scanned with this result."""
        version = self.register(name, source, **more)
        self.settle(evidence)
        return self.store.get_model_version(name, version.version)

    def unscanned(self, name: str = "signs", source: str = SOURCE) -> ModelVersion:
        """A version from before the gate, written with MLflow's own store."""
        with self.without_triggers():
            self.plain.create_registered_model(name)
            return self.plain.create_model_version(name, source)

    def install_triggers(self) -> None:
        """Let the database itself refuse, too."""
        with self.connection() as connection:
            install(connection)

    @contextmanager
    def without_triggers(self) -> Iterator[None]:
        """The time before the triggers were installed, where they are."""
        with self.connection() as connection:
            remove(connection)
        yield
        if self._triggers:
            self.install_triggers()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """One transaction on the database."""
        with self.plain.engine.begin() as connection:
            yield connection

    def registration(
        self, name: str = "signs", version: int = 1, workspace: str = "default"
    ) -> Registration | None:
        """What the ledger knows of a version."""
        with self.connection() as connection:
            return self.ledger.current(connection, VersionKey(workspace, name, version))


@contextmanager
def assert_refused(match: str | None = None) -> Iterator[None]:
    """The gate says no: PERMISSION_DENIED, beginning with its name, the reason matching."""
    with pytest.raises(MlflowException, match=match) as caught:
        yield
    assert caught.value.message.startswith("xray-gate: ")
    assert caught.value.error_code == "PERMISSION_DENIED"
