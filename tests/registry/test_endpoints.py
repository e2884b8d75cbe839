"""A later MLflow may reach the registry by an endpoint that no route knows of."""

import functools
from typing import Any

import pytest
from mlflow.server import handlers
from mlflow.server.graphql.graphql_schema_extensions import schema
from mlflow.tracking import MlflowClient

from tests.registry.beside import BESIDE
from tests.registry.doors import NOT_THE_CLIENTS, spoken
from tests.registry.endpoints import Endpoint, reached, reaching_the_registry
from tests.registry.routes import ROUTES


def _known() -> set[Endpoint]:
    calls = [call for kind in ("rest", "ui") for call in spoken(kind).values()]
    return {
        Endpoint(verb, path.replace("{", "<").replace("}", ">"))
        for endpoints in calls
        for path, verb in endpoints
    }


@pytest.mark.filterwarnings("ignore:starlette.middleware.wsgi is deprecated")
def test_no_endpoint_reaches_the_registry_that_nobody_looked_at() -> None:
    assert set(reaching_the_registry()) == _known() | set(BESIDE)


def test_an_endpoint_that_reaches_the_registry_is_noticed() -> None:
    def by_name() -> Any:
        return handlers._get_model_registry_store()

    def by_import() -> Any:
        from mlflow.server.handlers import _get_registered_model

        return _get_registered_model()

    @functools.wraps(by_import)
    def wrapped() -> Any:
        return by_import()

    def in_an_inner_one() -> Any:
        return [by_name() for _ in range(1)]

    def by_a_client() -> Any:
        from mlflow import MlflowClient

        return MlflowClient()

    for handler in (by_name, by_import, wrapped, in_an_inner_one, by_a_client):
        assert reached(handler)
    assert not reached(handlers._get_run)


def test_graphql_has_no_writes() -> None:
    mutations = schema.graphql_schema.mutation_type
    assert mutations is not None
    assert set(mutations.fields) == {"testMutation", "mlflowSearchDatasets", "mlflowSearchRuns"}


def test_the_client_lacks_what_it_is_said_to_lack() -> None:
    assert {method for method in ROUTES if not hasattr(MlflowClient, method)} == NOT_THE_CLIENTS


def test_what_is_not_tried_has_no_endpoint_of_the_registrys() -> None:
    """Links are written to runs, traces and models; the server itself asks for webhooks."""
    assert {method for method, route in ROUTES.items() if not route.attempts} == {
        "link_prompt_version_to_model",
        "link_prompt_version_to_run",
        "link_prompts_to_trace",
        "list_webhooks_by_event",
    }
