"""The bytes that were scanned, kept at a place of the gate's own: what everybody downloads."""

import os
import shutil
import tempfile
import uuid
from pathlib import Path, PurePosixPath

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from xray_gate.core.errors import InputError, ScanError
from xray_gate.scan.digest import ADDED_BY_DOWNLOAD, model_digest
from xray_gate.scan.work import ArtifactFetcher

# Whoever may write there could lay down more than a runner reads in a day.
_MOST_COPIES = 8

DEFAULT_PLACE = "mlflow-artifacts:/xray-gate-snapshots"
"""Behind the MLflow server's artifact proxy, which any site has that did not switch it off."""


class Snapshots:
    """A `SnapshotKeeper` over MLflow's artifact stores: `place/DIGEST/COPY`.

    Whoever can write to `place` can change what was scanned: let it be a bucket or a folder that
    only the runner writes to. `fetch` reads what was written back.
    """

    def __init__(self, place: str, tracking_uri: str, fetch: ArtifactFetcher) -> None:
        self._place = place.rstrip("/")
        self._tracking_uri = tracking_uri
        self._fetch = fetch

    def __call__(self, path: Path, digest: str) -> str:
        """Keep the file or folder at `path`, whose digest was `digest` when it was scanned.

        Returns its location, where copies that are whole are used again. Raises `ScanError` where
        what can be read there afterwards is not exactly that: the model itself may have changed its
        files while it was scanned.
        """
        folder = f"{self._place}/{digest.replace(':', '-')}"
        inside = "" if path.is_dir() else f"/{path.name}"
        for copy in self._copies(folder):
            if self._found(f"{copy}{inside}") == digest:
                return f"{copy}{inside}"
        # Never into a copy that is there: a version may count on it, and who writes may die.
        own = f"{folder}/{uuid.uuid4().hex}"
        location = f"{own}{inside}"
        self._write(path, own)
        found = self._found(location)
        if found != digest:
            raise ScanError(
                f"the bytes at {location} are not those that were scanned "
                f"({found or 'nothing can be read there'}); see that only the runner writes "
                "there, remove that folder, and `xray-gate rescan` the version"
            )
        return location

    def _copies(self, folder: str) -> list[str]:
        """Where copies of the same bytes were begun, the first few; some were never finished."""
        try:
            repository = get_artifact_repository(folder, tracking_uri=self._tracking_uri)
            items = repository.list_artifacts()
        except Exception:
            # Writing says what is wrong.
            return []
        found = [f"{folder}/{PurePosixPath(item.path).name}" for item in items if item.is_dir]
        return found[:_MOST_COPIES]

    def _found(self, location: str) -> str | None:
        try:
            with self._fetch(location) as path:
                return model_digest(path)
        except (ScanError, InputError):
            return None

    def _write(self, path: Path, folder: str) -> None:
        with tempfile.TemporaryDirectory(prefix="xray-gate-") as own:
            whole = Path(own) / "model"
            _gather(path, whole)
            try:
                repository = get_artifact_repository(folder, tracking_uri=self._tracking_uri)
                repository.log_artifacts(str(whole))
            except Exception as error:
                # Each artifact store comes with errors of its own.
                raise ScanError(
                    f"the scanned bytes could not be kept at {folder} ({error}); let the runner "
                    "write there, give it another place (--snapshots), or set `same_bytes: "
                    "verify` in the policy, then `xray-gate rescan` the version"
                ) from error


def _gather(path: Path, into: Path) -> None:
    """The files that the digest covers, linked and not copied where the disk can."""
    if path.is_file():
        into.mkdir()
        _link(path, into / path.name)
        return

    def added(folder: str, names: list[str]) -> set[str]:
        return {ADDED_BY_DOWNLOAD} & set(names) if Path(folder) == path else set()

    shutil.copytree(path, into, ignore=added, copy_function=_link)


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target, follow_symlinks=False)
