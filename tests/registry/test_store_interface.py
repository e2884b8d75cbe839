"""A later MLflow may add ways to promote or to read: a new method must be looked at first."""

import inspect

from mlflow.store.model_registry import abstract_store, sqlalchemy_store
from mlflow.store.model_registry.dbmodels import models

from xray_gate.registry.gated_store import GatedStore, WorkspaceGatedStore

# Writes pass the guard on the session; the reads that lead to files are overridden.
REVIEWED = {
    "copy_model_version",
    "create_model_version",
    "create_prompt",
    "create_prompt_version",
    "create_registered_model",
    "create_webhook",
    "delete_model_version",
    "delete_model_version_tag",
    "delete_prompt",
    "delete_prompt_alias",
    "delete_prompt_tag",
    "delete_prompt_version",
    "delete_prompt_version_tag",
    "delete_registered_model",
    "delete_registered_model_alias",
    "delete_registered_model_tag",
    "delete_webhook",
    "get_latest_versions",
    "get_model_version",
    "get_model_version_by_alias",
    "get_model_version_download_uri",
    "get_prompt",
    "get_prompt_version",
    "get_prompt_version_by_alias",
    "get_registered_model",
    "get_webhook",
    "link_prompt_version_to_model",
    "link_prompt_version_to_run",
    "link_prompts_to_trace",
    "list_webhooks",
    "list_webhooks_by_event",
    "rename_registered_model",
    "search_model_versions",
    "search_prompt_versions",
    "search_prompts",
    "search_registered_models",
    "set_model_version_tag",
    "set_prompt_alias",
    "set_prompt_tag",
    "set_prompt_version_tag",
    "set_registered_model_alias",
    "set_registered_model_tag",
    "supports_workspaces",
    "test_webhook",
    "transition_model_version_stage",
    "update_model_version",
    "update_registered_model",
    "update_webhook",
}
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
    assert _public(abstract_store.AbstractStore) == REVIEWED


def test_mlflows_sql_store_adds_no_method_of_its_own() -> None:
    added = _public(sqlalchemy_store.SqlAlchemyStore) - REVIEWED
    assert added == {"CREATE_MODEL_VERSION_RETRIES"}


def test_the_gated_stores_answer_every_method() -> None:
    for store in (GatedStore, WorkspaceGatedStore):
        assert _public(store) - {"CREATE_MODEL_VERSION_RETRIES"} == REVIEWED


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
