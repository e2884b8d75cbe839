"""Asks a running MLflow server whether the gate stands in it, without changing anything."""

import uuid
from dataclasses import dataclass
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from xray_gate.core.printable import without_controls
from xray_gate.registry.refusal import MESSAGE_START
from xray_gate.registry.rows import RESERVED_TAGS

_SEARCH = "/api/2.0/mlflow/registered-models/search"
_DELETE_TAG = "/api/2.0/mlflow/registered-models/delete-tag"
_NOT_LET_IN = (401, 403)
_SECONDS = 10
_LONGEST = 300


@dataclass(frozen=True)
class ServerAnswer:
    """`why_not` is None where the gate answers; else it says what did."""

    why_not: str | None


def ask_server(server: str) -> ServerAnswer:
    """Whether the registry of the MLflow server at an http address answers through the gate.

    /health is not asked: it answers 200 also where the plugin cannot be imported. The registry must
    answer a search. Then a tag `xray_gate.` is deleted from a registered model that does not exist,
    under a random name: the gate refuses the key before it looks for the model, MLflow without the
    gate does not find the model, and nothing is written either way.
    """
    try:
        search = _asked(server, "GET", _SEARCH, params={"max_results": 1})
        if search.status_code in _NOT_LET_IN:
            return _not_let_in(search)
        if search.status_code != 200:
            return ServerAnswer(
                f"its registry answers {search.status_code}: {_said(search)}; look into its log, "
                "whether xray-gate can be imported there"
            )
        refused = _asked(
            server,
            "DELETE",
            _DELETE_TAG,
            json={"name": f"xray-gate-doctor-{uuid.uuid4().hex}", "key": f"{RESERVED_TAGS}doctor"},
        )
    except (MlflowException, OSError) as error:
        return ServerAnswer(f"it cannot be asked: {str(error)[:_LONGEST]}; check the address")
    if refused.status_code == 403 and _said(refused).startswith(MESSAGE_START):
        return ServerAnswer(None)
    if refused.status_code in _NOT_LET_IN:
        return _not_let_in(refused)
    return ServerAnswer(
        f"its registry works without the gate ({refused.status_code}: {_said(refused)}); start it "
        "with --registry-store-uri xray-gate+..."
    )


def _not_let_in(answer: Any) -> ServerAnswer:
    """What MLflow's own permissions say comes before the gate, so that nothing is known of it."""
    return ServerAnswer(
        f"it does not let this account ask ({answer.status_code}: {_said(answer)}); sign in as an "
        "administrator of its (MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD)"
    )


def _asked(server: str, method: str, endpoint: str, **more: Any) -> Any:
    return http_request(
        get_default_host_creds(server.rstrip("/")),
        endpoint,
        method,
        max_retries=0,
        timeout=_SECONDS,
        raise_on_status=False,
        **more,
    )


def _said(answer: Any) -> str:
    """The message of MLflow's error, or the start of whatever came instead."""
    try:
        message = answer.json()["message"]
    except (ValueError, KeyError, TypeError):
        message = answer.text
    return without_controls(str(message))[:_LONGEST]
