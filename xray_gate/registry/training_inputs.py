"""The training data that somebody logged with a model's MLflow run.

What a run says of its data is the registrant's word. The runner reads with its own rights, so of
the places that a source can name it goes to one kind only: artifacts that the tracking server hands
out. A path would be one on the runner's disk, and MLflow's own loaders of sources connect to
whatever host a source names.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlflow.entities import Dataset, Run
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.utils.models import _parse_model_id_if_present
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from xray_gate.core.errors import ScanError
from xray_gate.registry.served import served_place, split_place
from xray_gate.registry.store_errors import store_error
from xray_gate.scan.work import ArtifactFetcher, ModelOrigin, TrainingFiles

# The second is what MLflow's autologging writes.
_CONTEXTS = ("training", "train")
_OR_A_PATH = "or ask for a path in the policy's `training_data`"
_LONGEST = 200


class LoggedInputs:
    """A `TrainingFetcher` over MLflow tracking; `fetch` downloads through the same server."""

    def __init__(self, tracking_uri: str, fetch: ArtifactFetcher) -> None:
        self._server = tracking_uri.rstrip("/")
        self._client = MlflowClient(tracking_uri=tracking_uri)
        self._fetch = fetch

    @contextmanager
    def __call__(self, origin: ModelOrigin) -> Iterator[TrainingFiles]:
        """The one data set of the model's run with the context `training`; `ScanError`."""
        try:
            run = self._run_of(origin)
            dataset = _training_of(run)
            uri = _uri_of(dataset)
            place = self._place(uri)
        except (MlflowException, OSError) as error:
            raise store_error(
                error,
                f"the data set of the model's run could not be looked up ({error}); check that "
                "the run is there and the tracking server can be reached, then `xray-gate rescan` "
                "the version",
            ) from error
        if place is None:
            raise ScanError(_refused(run, dataset, uri))
        with self._fetch(place) as path:
            yield TrainingFiles(uri, path)

    def _run_of(self, origin: ModelOrigin) -> Run:
        run_id = origin.run_id
        model_id = _parse_model_id_if_present(origin.source)
        if not run_id and model_id:
            run_id = self._client.get_logged_model(model_id).source_run_id
        if not run_id:
            raise ScanError(
                "the version names no MLflow run that could say which data its model was trained "
                f"on; log model and data in one run, {_OR_A_PATH}"
            )
        return self._client.get_run(run_id)

    def _place(self, uri: str) -> str | None:
        """`uri` as `mlflow-artifacts:/...`, or None where this server does not hand it out."""
        if not uri.isprintable():
            return None
        parsed = split_place(uri)
        if parsed.scheme != "runs":
            return served_place(self._server, uri)
        run_id, _, path = parsed.path.lstrip("/").partition("/")
        if parsed.netloc or not run_id or not path:
            return None
        # Where a run's artifacts lie is the registrant's choice, too.
        return served_place(
            self._server, f"{self._client.get_run(run_id).info.artifact_uri}/{path}"
        )


def _training_of(run: Run) -> Dataset:
    inputs = run.inputs.dataset_inputs if run.inputs else []
    found: list[Dataset] = [
        logged.dataset
        for logged in inputs
        if any(tag.key == MLFLOW_DATASET_CONTEXT and tag.value in _CONTEXTS for tag in logged.tags)
    ]
    if not found:
        raise ScanError(
            f"the run {run.info.run_id} logged no data set with the context 'training'; log it "
            f"with mlflow.log_input(..., context='training'), {_OR_A_PATH}"
        )
    if len(found) > 1:
        raise ScanError(
            f"the run {run.info.run_id} logged {len(found)} data sets with the context 'training', "
            f"and nothing says which one is whole; log one, {_OR_A_PATH}"
        )
    return found[0]


def _uri_of(dataset: Dataset) -> str:
    """What a source's JSON names: `uri` for files and artifacts, `url` for the web; else empty."""
    try:
        source: Any = json.loads(dataset.source)
    except (ValueError, RecursionError):
        return ""
    found = (source.get("uri") or source.get("url")) if isinstance(source, dict) else None
    return found if isinstance(found, str) else ""


def _refused(run: Run, dataset: Dataset, uri: str) -> str:
    kind = str(dataset.source_type)[:_LONGEST]
    named = f" ({uri[:_LONGEST]!r})" if uri else ""
    why = "a runner reads only artifacts of its own tracking server"
    if uri and split_place(uri).scheme in ("", "file"):
        why = "a runner opens no path on its own disk because a run names it"
    return (
        f"the training data that the run {run.info.run_id} logged have a source of the type "
        f"{kind!r}{named}, and {why}; log them as an artifact and name it as runs:/RUN_ID/PATH, "
        f"{_OR_A_PATH}"
    )
