"""A later MLflow may add ways to promote or to read: a new method must be looked at first."""

import inspect

from mlflow.store.model_registry import abstract_store, sqlalchemy_store
from mlflow.store.model_registry.dbmodels import models

from tests.registry.routes import ROUTES
from xray_gate.registry.gated_store import GatedStore, WorkspaceGatedStore

TABLES = {
    "model_version_tags",
    "model_versions",
    "registered_model_aliases",
    "registered_model_tags",
    "registered_models",
    "webhook_events",
    "webhooks",
}
COLUMNS_OF_A_VERSION = {
    "creation_time",
    "current_stage",
    "description",
    "last_updated_time",
    "name",
    "run_id",
    "run_link",
    "source",
    "status",
    "status_message",
    "storage_location",
    "user_id",
    "version",
    "workspace",
}


def _public(owner: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(owner) if not name.startswith("_")}


def test_mlflows_registry_has_no_method_that_nobody_looked_at() -> None:
    assert _public(abstract_store.AbstractStore) == set(ROUTES)


def test_mlflows_sql_store_adds_no_method_of_its_own() -> None:
    added = _public(sqlalchemy_store.SqlAlchemyStore) - set(ROUTES)
    assert added == {"CREATE_MODEL_VERSION_RETRIES"}


def test_the_gated_stores_answer_every_method() -> None:
    for store in (GatedStore, WorkspaceGatedStore):
        assert _public(store) - {"CREATE_MODEL_VERSION_RETRIES"} == set(ROUTES)


def test_mlflows_registry_has_no_table_that_nobody_looked_at() -> None:
    tables = {
        item.__tablename__
        for item in vars(models).values()
        if inspect.isclass(item) and hasattr(item, "__tablename__")
    }
    assert tables == TABLES


def test_a_version_has_no_column_that_nobody_looked_at() -> None:
    assert set(models.SqlModelVersion.__table__.columns.keys()) == COLUMNS_OF_A_VERSION


def test_a_versions_columns_still_default_to_ready() -> None:
    """The reason for setting the status inside the insert: without it, a version is READY."""
    assert models.SqlModelVersion.__table__.c.status.default.arg == "READY"


def test_overridden_methods_take_what_mlflows_take() -> None:
    for name in (
        "get_latest_versions",
        "get_model_version",
        "get_model_version_download_uri",
        "transition_model_version_stage",
    ):
        ours = inspect.signature(getattr(GatedStore, name)).parameters
        theirs = inspect.signature(getattr(sqlalchemy_store.SqlAlchemyStore, name)).parameters
        assert list(ours) == list(theirs)
