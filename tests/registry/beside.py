"""Endpoints that reach the registry and are no call of MLflow's own clients."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from tests.registry.endpoints import Endpoint
from tests.registry.routes import REFUSED, WAITING
from tests.support.mlflow_server import Answer, Caller

_JOB = "starts a job over traces, which writes no version"
_DEMO = "traces and prompts of MLflow's own"
_QUERY = (
    'query { mlflowSearchRuns(input: {experimentIds: ["0"]}) '
    "{ runs { modelVersions { name version status source } } } }"
)
_MUTATION = "mutation { mlflowTransitionModelVersionStage(input: {}) { modelVersion { name } } }"


@dataclass(frozen=True)
class Beside:
    """As `Route`, with requests in the place of a store's methods."""

    decision: Literal["gated", "free"]
    why: str
    attempts: tuple[Callable[[Caller], Answer], ...] = ()


def _file_of(version: int) -> Callable[[Caller], Answer]:
    asked = {"name": "signs", "version": version, "path": "MLmodel"}
    return lambda caller: caller("GET", "/model-versions/get-artifact", asked)


def _graphql(verb: str, query: str) -> Callable[[Caller], Answer]:
    return lambda caller: caller(verb, "/graphql", raw=json.dumps({"query": query}).encode())


BESIDE: dict[Endpoint, Beside] = {
    Endpoint("GET", "/model-versions/get-artifact"): Beside(
        "gated", "a file of a version, as the pages show it", (_file_of(REFUSED), _file_of(WAITING))
    ),
    Endpoint("GET", "/graphql"): Beside("free", "reads only", (_graphql("GET", _QUERY),)),
    Endpoint("POST", "/graphql"): Beside(
        "free", "reads only", (_graphql("POST", _QUERY), _graphql("POST", _MUTATION))
    ),
    Endpoint("POST", "/ajax-api/3.0/mlflow/demo/generate"): Beside(
        "free",
        _DEMO,
        (
            lambda caller: caller(
                "POST", "/ajax-api/3.0/mlflow/demo/generate", {"features": ["prompts"]}
            ),
        ),
    ),
    Endpoint("POST", "/ajax-api/3.0/mlflow/demo/delete"): Beside(
        "free",
        _DEMO,
        (lambda caller: caller("POST", "/ajax-api/3.0/mlflow/demo/delete", {}),),
    ),
    Endpoint("POST", "/ajax-api/3.0/mlflow/genai/evaluate/invoke"): Beside("free", _JOB),
    Endpoint("POST", "/ajax-api/3.0/mlflow/issues/invoke"): Beside("free", _JOB),
    Endpoint("POST", "/ajax-api/3.0/mlflow/scorer/invoke"): Beside("free", _JOB),
    Endpoint("POST", "/ajax-api/3.0/mlflow/prompt-optimization/jobs"): Beside(
        "free", "the job writes prompts past the store: see `other_writers.py`"
    ),
    Endpoint("POST", "/api/3.0/mlflow/prompt-optimization/jobs"): Beside(
        "free", "the job writes prompts past the store: see `other_writers.py`"
    ),
}

_ONE = {"name": "signs", "version": str(REFUSED)}
_PROMOTED = {
    "status": "READY",
    "current_stage": "Production",
    "currentStage": "Production",
    "aliases": ["champion"],
    "storage_location": "s3://kept/signs",
}
FORGED: tuple[tuple[str, str, Mapping[str, object]], ...] = (
    ("POST", "model-versions/create", {"name": "signs", "source": "s3://models/evil", **_PROMOTED}),
    ("PATCH", "model-versions/update", {**_ONE, "description": "fine", **_PROMOTED}),
    (
        "POST",
        "registered-models/create",
        {"name": "signs-new", "aliases": [{"alias": "champion", "version": "1"}]},
    ),
    ("PATCH", "registered-models/update", {"name": "signs", "latest_versions": [_PROMOTED]}),
    *(
        ("POST", "registered-models/alias", {"name": "signs", "alias": "champion", "version": one})
        for one in (
            REFUSED,
            f"0{REFUSED}",
            f" {REFUSED}",
            f"+{REFUSED}",
            f"{REFUSED}.0",
            f"{REFUSED}e0",
        )
    ),
    ("POST", "registered-models/alias", {**_ONE, "alias": "Champion\u200b"}),
    *(
        ("POST", "model-versions/transition-stage", {**_ONE, "stage": stage})
        for stage in ("PRODUCTION", " Production", "Production\u0000", "staging")
    ),
    (
        "POST",
        "model-versions/transition-stage",
        {**_ONE, "stage": "Staging", "archiveExistingVersions": True},
    ),
    ("GET", "registered-models/alias", {**_ONE, "alias": "champion"}),
    ("GET", "model-versions/transition-stage", {**_ONE, "stage": "Production"}),
)
"""Bodies that say more than a call takes, or say it differently: none may promote."""
