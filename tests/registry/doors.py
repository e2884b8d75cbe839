"""The ways by which a client reaches MLflow's registry over HTTP, each with a store's methods.

So the attempts of `routes.py`, which are made on a store, are made through every one of them.
"""

import json
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode
from mlflow.protos.model_registry_pb2 import ModelRegistryService
from mlflow.protos.webhooks_pb2 import WebhookService
from mlflow.store.model_registry.rest_store import RestStore
from mlflow.tracking import MlflowClient
from mlflow.utils.proto_json_utils import parse_dict
from mlflow.utils.rest_utils import extract_all_api_info_for_service

from tests.support.mlflow_server import Caller

DOORS = ("rest", "ui", "client")
NOT_THE_CLIENTS = {"link_prompts_to_trace", "list_webhooks_by_event", "supports_workspaces"}
"""Methods of the store that MLflow's Python client has not."""

_PREFIXES = {"rest": "/api/2.0", "ui": "/ajax-api/2.0"}
_SERVICES = (ModelRegistryService, WebhookService)
# What a browser adds to the requests of MLflow's pages.
_BROWSER = {
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "cors",
    "X-Requested-With": "XMLHttpRequest",
}


class Refused(MlflowException):  # type: ignore[misc]
    """The server's error, with the HTTP status that it came with."""

    def __init__(self, code: int, message: str, error_code: str) -> None:
        super().__init__(message, error_code=ErrorCode.Value(error_code))
        self.http_status = code


class RawDoor(RestStore):  # type: ignore[misc]
    """Requests as any program makes them, to the paths of MLflow's REST API or to its pages'."""

    def __init__(self, kind: str, caller: Caller) -> None:
        super().__init__(lambda: None)
        headers = {**_BROWSER, "Origin": caller.address} if kind == "ui" else {}
        self._caller = Caller(caller.address, caller.account, caller.workspace, headers)
        self._endpoints = spoken(kind)
        self.asked: set[tuple[str, str]] = set()

    def _call_endpoint(self, api: Any, json_body: str | None, *_: Any, **__: Any) -> Any:
        # What has several verbs is asked by all of them.
        answers: list[Any] = []
        refusals: list[Refused] = []
        for endpoint in self._endpoints[api]:
            try:
                answers.append(self._ask(api, endpoint, json_body, None))
            except Refused as refused:
                refusals.append(refused)
        assert not (answers and refusals)
        if refusals:
            raise refusals[0]
        assert all(answer == answers[0] for answer in answers)
        return answers[0]

    def _call_webhook_endpoint(
        self, api: Any, json_body: str | None = None, webhook_id: str | None = None
    ) -> Any:
        return self._ask(api, self._endpoints[api][0], json_body, webhook_id)

    def _ask(
        self, api: Any, endpoint: tuple[str, str], json_body: str | None, webhook_id: str | None
    ) -> Any:
        path, verb = endpoint
        self.asked.add(endpoint)
        body = json.loads(json_body) if json_body else None
        answer = self._caller(verb, path.format(webhook_id=webhook_id), body)
        if answer.code != 200:
            error_code = str(answer.body.get("error_code", "INTERNAL_ERROR"))
            raise Refused(answer.code, answer.message, error_code)
        response = api.Response()
        parse_dict(answer.body, response)
        return response

    @property
    def supports_workspaces(self) -> bool:
        answer = self._caller("GET", "/api/3.0/mlflow/server-info")
        return bool(answer.body["workspaces_enabled"])


def spoken(kind: str) -> dict[Any, list[tuple[str, str]]]:
    """The paths and verbs of MLflow's calls of the registry, by call, at one raw door."""
    calls: dict[Any, list[tuple[str, str]]] = {}
    for service in _SERVICES:
        calls.update(extract_all_api_info_for_service(service, _PREFIXES[kind]))
    return calls


class ClientDoor:
    """MLflow's Python client, by the names of the store's methods.

    Who signs in and which workspace is meant come from the environment, as with any client.
    """

    def __init__(self, address: str) -> None:
        self._client: Any = MlflowClient(address, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def create_registered_model(self, name: str, tags: Any = ()) -> Any:
        return self._client.create_registered_model(name, {tag.key: tag.value for tag in tags})

    def create_model_version(self, name: str, source: str) -> Any:
        return self._client.create_model_version(name, source, await_creation_for=0)

    def copy_model_version(self, source: Any, name: str) -> Any:
        return self._client.copy_model_version(f"models:/{source.name}/{source.version}", name)

    def set_registered_model_tag(self, name: str, tag: Any) -> Any:
        return self._client.set_registered_model_tag(name, tag.key, tag.value)

    def set_model_version_tag(self, name: str, version: Any, tag: Any) -> Any:
        return self._client.set_model_version_tag(name, str(version), tag.key, tag.value)
