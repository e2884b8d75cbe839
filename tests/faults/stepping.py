"""Makes steps of what happens inside a scan, and inside MLflow's client, in this process."""

import http.client
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
from mlflow.tracking import MlflowClient

from tests.faults.instrument import Instrument
from xray_gate.backends.process import ModelProcess
from xray_gate.scan.pipeline import Scan
from xray_gate.scan.ports import ModelRequest, OpenModel
from xray_gate.wiring import running, scanning

_WAIT_SECONDS = 60.0


def step_the_scan(instrument: Instrument) -> None:
    """Let the life of the model's process and the first question of a detector be steps."""
    real, enter, new_scan = scanning.open_model, ModelProcess.__enter__, scanning.new_scan

    @contextmanager
    def open_model(request: ModelRequest) -> Iterator[OpenModel]:
        instrument.begin("scan: the digest is made")
        with real(request) as model:
            instrument.reach("scan: the model is open")
            _last(instrument)
            yield model
            instrument.reach("scan: the model is asked no more")
        instrument.reach("scan: the model is closed")

    def entered(process: Any) -> Any:
        instrument.reach("scan: the model's process has begun")
        return enter(process)

    def progress(name: str, _: int, __: int) -> None:
        instrument.reach_once(f"scan: {name} is asking")

    def stepped_scan() -> Scan:
        return new_scan(progress)

    scanning.open_model = open_model
    setattr(ModelProcess, "__enter__", entered)  # noqa: B010
    setattr(running, "new_scan", stepped_scan)  # noqa: B010


def _last(instrument: Instrument) -> None:
    """Let the scan last, where it must not be over before another thread is somewhere."""
    if instrument.waits and not instrument.reached.wait(_WAIT_SECONDS):
        raise AssertionError("the step that the scan waits for was never reached")


def step_files(instrument: Instrument) -> None:
    """Let files that are sent, fetched or copied be steps."""
    upload, download = HttpArtifactRepository.log_artifact, HttpArtifactRepository._download_file

    def log_artifact(self: Any, local_file: str, artifact_path: str | None = None) -> None:
        if instrument.reach_file("sent") == 1:
            instrument.reach(f"{instrument.phase}: nothing is sent yet")
            half = f"{instrument.phase}: half of the first file is sent"
            with ExitStack() as stack:
                if instrument.happens_at(half):
                    stack.enter_context(_half_sent(self, Path(local_file), artifact_path))
                instrument.reach(half)
        upload(self, local_file, artifact_path)

    def download_file(self: Any, remote_file_path: str, local_path: str) -> None:
        instrument.reach_file("read back" if instrument.phase == "keep" else "here")
        download(self, remote_file_path, local_path)

    HttpArtifactRepository.log_artifact = log_artifact
    HttpArtifactRepository._download_file = download_file
    _step_copies(instrument)


def step_reports(instrument: Instrument) -> None:
    """Let what is logged to a run be steps."""
    for name, before, step in (
        ("create_run", False, "publish: the run is there"),
        ("log_metric", False, "publish: a score is logged"),
        ("set_terminated", True, "publish: the run is about to end"),
    ):
        _step_client(instrument, name, before, step)


@contextmanager
def _half_sent(repository: Any, file: Path, folder: str | None) -> Iterator[None]:
    """In the middle of sending a file, whose other half never follows."""
    where = urlsplit(repository.artifact_uri)
    content = file.read_bytes()
    with closing(http.client.HTTPConnection(str(where.hostname), where.port or 80)) as link:
        link.putrequest("PUT", "/".join(filter(None, (where.path, folder, file.name))))
        link.putheader("Content-Length", str(len(content)))
        link.endheaders()
        link.send(content[: len(content) // 2])
        yield


def _step_copies(instrument: Instrument) -> None:
    """Files that are copied to a folder that machines share."""
    copy = shutil.copy2

    def copy2(source: Any, target: Any, **more: Any) -> Any:
        if instrument.phase == "keep" and instrument.reach_file("copied") == 1:
            instrument.reach("keep: nothing is copied yet")
            half = "keep: half of the first file is copied"
            if instrument.happens_at(half):
                content = Path(source).read_bytes()
                Path(target).write_bytes(content[: len(content) // 2])
            instrument.reach(half)
        return copy(source, target, **more)

    setattr(shutil, "copy2", copy2)  # noqa: B010


def _step_client(instrument: Instrument, name: str, before: bool, step: str) -> None:
    method = getattr(MlflowClient, name)

    def stepped(self: Any, *arguments: Any, **named: Any) -> Any:
        if before:
            instrument.reach_once(step)
        answer = method(self, *arguments, **named)
        if not before:
            instrument.reach_once(step)
        return answer

    setattr(MlflowClient, name, stepped)
