"""What a runner fetches of a place that a registrant names."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from xray_gate.core.errors import ScanError, Unavailable
from xray_gate.registry.artifacts import MlflowArtifacts

SERVER = "http://127.0.0.1:9"
API = "/api/2.0/mlflow-artifacts/artifacts"


@contextmanager
def listener(status: int = 404) -> Iterator[tuple[str, list[str]]]:
    """A host that answers everything so, and the headers of whoever asks it for something."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(str(self.headers))
            self.send_error(status)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "place",
    [
        "http://{host}/model",
        f"http://{{host}}/a?{API}/model",
        f"http://{{host}}/a#{API}/model",
        f"http://{{host}}{API}/model",
        "mlflow-artifacts://{host}/model",
        "mlflow-artifacts:/../../secret",
        "mlflow-artifacts:/model?x=1",
        "HTTP://{host}/model",
    ],
)
def test_credentials_are_sent_to_nobody_else(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "ours-alone")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with listener() as (host, asked):
        with (
            pytest.raises(ScanError, match="not served by the MLflow server that is used here"),
            MlflowArtifacts(SERVER)(place.format(host=host)),
        ):
            pass
        assert asked == []


@pytest.mark.parametrize(
    "place",
    ["models:/signs/1", "models:/m-0123abcd", "models:/m-1/0123/artifacts/model", "MODELS:/m-1"],
)
def test_no_other_registry_is_asked(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an experiment keeps the artifacts of its runs is the registrant's choice."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    with (
        pytest.raises(ScanError, match="are said to be those of another model") as raised,
        MlflowArtifacts(SERVER)(place),
    ):
        pass
    assert not isinstance(raised.value, Unavailable)
    assert list(tmp_path.iterdir()) == []


def test_what_a_download_adds_is_not_there_when_the_rest_is_scanned(tmp_path: Path) -> None:
    """No digest covers it, so a model that read it could become another one later."""
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    for name in ("registered_model_meta", "MLmodel", "data/registered_model_meta"):
        (folder / name).write_text("weights")
    with MlflowArtifacts(SERVER)(folder.as_uri()) as path:
        found = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    assert found == {"MLmodel", "data/registered_model_meta"}
    assert (folder / "registered_model_meta").exists()


def test_a_folder_of_that_name_is_left_to_those_who_look_at_the_files(tmp_path: Path) -> None:
    """Nobody could do anything about a runner that stumbles over it, try for try."""
    folder = tmp_path / "model"
    (folder / "registered_model_meta").mkdir(parents=True)
    (folder / "registered_model_meta" / "weights").write_text("weights")
    with MlflowArtifacts(SERVER)(folder.as_uri()) as path:
        assert (path / "registered_model_meta" / "weights").exists()


@pytest.mark.parametrize("place", ["mlflow-artifacts:/model", "runs:/0123abcd/model"])
@pytest.mark.parametrize("status", [500, 503])
def test_a_store_that_fails_may_be_asked_again(
    place: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with listener(status) as (host, asked):
        with (
            pytest.raises(
                Unavailable, match=r"(?s)could not be fetched .* then `xray-gate rescan`"
            ),
            MlflowArtifacts(f"http://{host}")(place),
        ):
            pass
        assert asked


def test_a_server_that_has_no_such_files_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with (
        listener(404) as (host, _),
        pytest.raises(ScanError) as raised,
        MlflowArtifacts(f"http://{host}")("mlflow-artifacts:/model"),
    ):
        pass
    assert not isinstance(raised.value, Unavailable)


def test_a_server_that_is_away_may_be_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with listener() as (host, _):
        pass
    with pytest.raises(Unavailable), MlflowArtifacts(f"http://{host}")("mlflow-artifacts:/model"):
        pass


def test_where_there_is_nothing_is_final(tmp_path: Path) -> None:
    with (
        pytest.raises(ScanError, match="No such artifact") as raised,
        MlflowArtifacts(SERVER)((tmp_path / "nothing").as_uri()),
    ):
        pass
    assert not isinstance(raised.value, Unavailable)
