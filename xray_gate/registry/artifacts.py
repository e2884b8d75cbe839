"""Brings a version's files here, once; the scan works on these bytes only."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from xray_gate.core.errors import ScanError


class MlflowArtifacts:
    """Downloads through MLflow; `tracking_uri` serves `mlflow-artifacts:` and `runs:` places."""

    def __init__(self, tracking_uri: str) -> None:
        self._tracking_uri = tracking_uri

    @contextmanager
    def __call__(self, location: str) -> Iterator[Path]:
        """The files at `location`, in a folder that is removed afterwards; `ScanError`."""
        with tempfile.TemporaryDirectory(prefix="xray-gate-") as folder:
            try:
                path = mlflow.artifacts.download_artifacts(
                    artifact_uri=location, dst_path=folder, tracking_uri=self._tracking_uri
                )
            except (MlflowException, OSError) as error:
                raise ScanError(
                    f"the files at {location} could not be fetched ({error}); check that the "
                    "artifact store can be reached from the runner, then register the version again"
                ) from error
            yield Path(path)
