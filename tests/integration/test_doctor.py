"""`xray-gate doctor --server` against a gated server, a plain one and one without its plugin."""

from pathlib import Path

import pytest

from tests.support.evidence import policy_document, write_policy
from tests.support.mlflow_server import Caller, mlflow_server
from tests.support.site import rows, wait_until, xray_gate
from xray_gate.cli.demo_site import free_port, running_site
from xray_gate.registry.server_probe import ask_server


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


@pytest.mark.slow
def test_a_plain_server_is_no_gate(tmp_path: Path, sqlite_database: str) -> None:
    with mlflow_server(tmp_path, sqlite_database) as address:
        why_not = ask_server(address).why_not
        uri = f"xray-gate+{sqlite_database}"
        ended = xray_gate("doctor", "--registry-uri", uri, "--server", address)
    assert why_not is not None
    assert why_not.startswith("its registry works without the gate (404: ")
    assert ended.returncode == 1
    assert ended.stdout.splitlines()[-1].startswith(f"wrong   server       {address}: its registry")


def test_a_server_whose_plugin_cannot_be_imported_is_no_gate(
    tmp_path: Path, sqlite_database: str
) -> None:
    """It starts, and its /health answers 200."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "xray_gate.py").write_text("raise ImportError('a part is missing')\n")
    registry = f"xray-gate+{sqlite_database}"
    with mlflow_server(tmp_path, registry, environment={"PYTHONPATH": str(broken)}) as address:
        why_not = ask_server(address).why_not
        ended = xray_gate("doctor", "--registry-uri", registry, "--server", address)
        promoted = Caller(address)(
            "POST",
            "/api/2.0/mlflow/registered-models/alias",
            {"name": "signs", "alias": "champion", "version": "1"},
        )
    assert why_not is not None
    assert why_not.startswith("its registry answers 400: ")
    assert "whether xray-gate can be imported there" in why_not
    assert ended.returncode == 1
    assert ended.stdout.splitlines()[-1].startswith(f"wrong   server       {address}: its registry")
    assert promoted.code == 400


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    why_not = ask_server(f"http://127.0.0.1:{free_port()}").why_not
    assert why_not is not None
    assert why_not.startswith("it cannot be asked: ")
