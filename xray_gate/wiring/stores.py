"""The registry's database and MLflow's server, by their addresses."""

from pathlib import Path

from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from sqlalchemy import Engine, make_url

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


def existing_store(registry_uri: str) -> WorkspaceAwareSqlAlchemyStore:
    """`plain_store` of a registry that is there; `InputError` where SQLite would make a new one.

    An empty registry in the place of a mistyped one would answer that all is well.
    """
    url = make_url(database_uri(registry_uri))
    name = url.database or ""
    # `file:...` is an address of SQLite's own, with settings that a path does not have.
    is_path = url.get_backend_name() == "sqlite" and name and not name.startswith("file:")
    if is_path and name != ":memory:" and not Path(name).is_file():
        raise InputError(
            f"{registry_uri}: there is no database {Path(name).absolute()}; after sqlite:/// a "
            "path counts from the folder that you are in, after sqlite://// from the root"
        )
    return plain_store(registry_uri)


def registry_engine(registry_uri: str) -> Engine:
    """The registry's database, with MLflow's tables and the ledger's of this release."""
    engine: Engine = plain_store(registry_uri).engine
    return engine
