"""`xray-gate doctor --server` against a gated server, a plain one and one without its plugin."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.evidence import policy_document, write_policy
from tests.support.site import rows, wait_until, xray_gate
from xray_gate.cli.demo_site import free_port, running_site
from xray_gate.registry.server_probe import ask_server


@contextmanager
def mlflow_server(folder: Path, registry: str, **more: str) -> Iterator[str]:
    """A server that is up as far as its /health says."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--backend-store-uri", f"sqlite:///{folder / 'runs.db'}"),
                *("--registry-store-uri", registry),
                *("--artifacts-destination", str(folder / "artifacts")),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "PYTHONWARNINGS": "ignore", **more},
        )

    def is_up() -> bool:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        wait_until(is_up, "the server answers no /health", 90)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_a_gated_server_is_known_and_left_as_it_is(tmp_path: Path, sqlite_database: str) -> None:
    policy = write_policy(tmp_path / "policies", policy_document())
    with running_site(tmp_path, policy, database=sqlite_database) as site:
        uri = site.registry_uri
        assert xray_gate("install", "--registry-uri", uri).returncode == 0
        seen = "SELECT count(*) FROM xray_gate_runners"
        wait_until(lambda: rows(site, seen)[0][0], "no runner came")
        ended = xray_gate("doctor", "--registry-uri", uri, "--server", site.tracking_uri)
        assert (ended.returncode, ended.stderr) == (0, "")
        last = ended.stdout.splitlines()[-1]
        assert last.split() == [
            *("ok", "server", f"{site.tracking_uri}:"),
            *["its", "registry", "answers", "through", "the", "gate"],
        ]
        assert rows(site, "SELECT * FROM registered_models") == []
        assert rows(site, "SELECT * FROM registered_model_tags") == []


def test_a_plain_server_is_no_gate(tmp_path: Path, sqlite_database: str) -> None:
    with mlflow_server(tmp_path, sqlite_database) as address:
        why_not = ask_server(address).why_not
        uri = f"xray-gate+{sqlite_database}"
        ended = xray_gate("doctor", "--registry-uri", uri, "--server", address)
    assert why_not is not None
    assert why_not.startswith("its registry works without the gate (404: ")
    assert ended.returncode == 1
    assert ended.stdout.splitlines()[-1].startswith(f"wrong   server    {address}: its registry")


def test_a_server_whose_plugin_cannot_be_imported_is_no_gate(
    tmp_path: Path, sqlite_database: str
) -> None:
    """It starts, and its /health answers 200."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "xray_gate.py").write_text("raise ImportError('a part is missing')\n")
    registry = f"xray-gate+{sqlite_database}"
    with mlflow_server(tmp_path, registry, PYTHONPATH=str(broken)) as address:
        why_not = ask_server(address).why_not
    assert why_not is not None
    assert why_not.startswith("its registry answers 400: ")
    assert "whether xray-gate can be imported there" in why_not


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    why_not = ask_server(f"http://127.0.0.1:{free_port()}").why_not
    assert why_not is not None
    assert why_not.startswith("it cannot be asked: ")
