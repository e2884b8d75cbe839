"""Brings a version's files here, once; the scan works on these bytes only."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from xray_gate.core.errors import ScanError
from xray_gate.registry.served import served_place, split_place
from xray_gate.registry.store_errors import store_error
from xray_gate.scan.digest import ADDED_BY_DOWNLOAD


class MlflowArtifacts:
    """Downloads through MLflow; `tracking_uri` serves `mlflow-artifacts:` and `runs:` places."""

    def __init__(self, tracking_uri: str) -> None:
        self._tracking_uri = tracking_uri

    @contextmanager
    def __call__(self, location: str) -> Iterator[Path]:
        """The files at `location`, in a folder that is removed afterwards.

        Raises `Unavailable` for whatever the store answers, but `ScanError` where it is that there
        is nothing, or where it is not to be asked.
        """
        with tempfile.TemporaryDirectory(prefix="xray-gate-") as folder:
            place = self._allowed(location)
            try:
                path = mlflow.artifacts.download_artifacts(
                    artifact_uri=place, dst_path=folder, tracking_uri=self._tracking_uri
                )
            except Exception as error:
                # Each artifact store comes with errors of its own.
                raise _unfetched(location, error, gone=self._is_gone(place)) from error
            found = Path(path)
            # What a download adds is in no digest: it must not be there while the rest is scanned.
            added = found / ADDED_BY_DOWNLOAD
            # A folder of that name is the model's own, and refused when its files are looked at.
            if found.is_dir() and (added.is_symlink() or not added.is_dir()):
                added.unlink(missing_ok=True)
            yield found

    def _is_gone(self, place: str) -> bool:
        """Whether the store answers, and has nothing of that name: then no other try brings it."""
        folder, _, name = place.rstrip("/").rpartition("/")
        try:
            found = mlflow.artifacts.list_artifacts(
                artifact_uri=folder, tracking_uri=self._tracking_uri
            )
        except Exception:
            return False
        return all(PurePosixPath(item.path).name != name for item in found)

    def _allowed(self, location: str) -> str:
        """`location`, if fetching it tells nobody our credentials; raises `ScanError`.

        It is the registrant's word, and so is where a run of theirs keeps its artifacts.
        """
        parsed = split_place(location)
        if parsed.scheme == "runs" and not parsed.netloc:
            run_id, _, path = parsed.path.lstrip("/").partition("/")
            try:
                run = MlflowClient(self._tracking_uri).get_run(run_id)
            except MlflowException as error:
                raise _unfetched(location, error) from error
            return self._allowed(f"{run.info.artifact_uri}/{path}")
        if parsed.scheme == "models":
            # MLflow would ask whatever registry is its default here, and make one in a file.
            raise ScanError(
                f"the files at {location} are said to be those of another model; register a "
                "version whose source is that model itself, or its files"
            )
        if parsed.scheme not in ("http", "https", "mlflow-artifacts", "none"):
            return location
        served = served_place(self._tracking_uri.rstrip("/"), location)
        if served is None:
            raise ScanError(
                f"the files at {location} are not served by the MLflow server that is used here, "
                "and its credentials are for nobody else; register a version whose files are"
            )
        return served


def _unfetched(location: str, error: Exception, *, gone: bool = False) -> ScanError:
    message = (
        f"the files at {location} could not be fetched ({error}); check that they are there and "
        "the artifact store can be reached from the runner, then `xray-gate rescan` the version"
    )
    return ScanError(message) if gone else store_error(error, message)
