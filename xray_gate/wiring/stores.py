"""The registry's database and MLflow's server, by their addresses."""

from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from sqlalchemy import Engine

from xray_gate.core.errors import InputError
from xray_gate.ledger.schema import upgrade
from xray_gate.registry.store_uri import database_uri


def http_address(tracking_uri: str) -> str:
    """The address of an MLflow server as it was given; `InputError` when it is none."""
    if not tracking_uri.startswith(("http://", "https://")):
        raise InputError(
            f"{tracking_uri}: artifacts are read and logged through the MLflow server; give its "
            "http:// address as --tracking-uri"
        )
    return tracking_uri


def plain_store(registry_uri: str) -> WorkspaceAwareSqlAlchemyStore:
    """MLflow's own store on the registry's database, with the ledger's tables of this release."""
    # The workspace-aware class opens registries with and without workspaces; the gate's own
    # tables and statements name the workspace themselves.
    store = WorkspaceAwareSqlAlchemyStore(database_uri(registry_uri))
    upgrade(store.engine)
    return store


def registry_engine(registry_uri: str) -> Engine:
    """The registry's database, with MLflow's tables and the ledger's of this release."""
    engine: Engine = plain_store(registry_uri).engine
    return engine
