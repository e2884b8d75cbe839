"""A server that could admit nothing must say so, and not start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.databases import dispose
from tests.support.evidence import policy_document, write_policy
from xray_gate.cli.demo_site import running_site
from xray_gate.core.errors import InputError, PolicyError, ScanError
from xray_gate.wiring.running import RunnerSettings, new_runner
from xray_gate.wiring.server import gated_store


def test_without_a_policy_the_server_does_not_start(tmp_path: Path, sqlite_database: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "XRAY_GATE_POLICY"}
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "mlflow", "server", "--port", "0"),
            *("--backend-store-uri", sqlite_database),
            *("--registry-store-uri", f"xray-gate+{sqlite_database}"),
            *("--artifacts-destination", str(tmp_path / "artifacts")),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert ended.returncode != 0
    assert "XRAY_GATE_POLICY is not set, so nothing could ever be admitted" in ended.stderr


def test_with_a_broken_policy_the_site_does_not_come_up(
    tmp_path: Path, sqlite_database: str
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("name: [")
    with (
        pytest.raises(ScanError, match="did not start: it ended with"),
        running_site(tmp_path, policy, database=sqlite_database),
    ):
        pass
    assert f"{policy}:1:" in (tmp_path / "server.log").read_text()


def test_a_store_without_a_policy_is_not_made(
    monkeypatch: pytest.MonkeyPatch, sqlite_database: str
) -> None:
    monkeypatch.delenv("XRAY_GATE_POLICY", raising=False)
    with pytest.raises(PolicyError, match="XRAY_GATE_POLICY is not set"):
        gated_store(f"xray-gate+{sqlite_database}")


def test_a_store_with_a_missing_policy_is_not_made(
    monkeypatch: pytest.MonkeyPatch, sqlite_database: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("XRAY_GATE_POLICY", str(tmp_path / "nothing.yaml"))
    with pytest.raises(PolicyError, match="no policy file or folder of that name"):
        gated_store(f"xray-gate+{sqlite_database}")


@pytest.mark.parametrize(
    "uri", ["sqlite:///m.db", "xray-gate+mysql://u:secret@host/m", "xray-gate+sqlite", "", "x"]
)
def test_a_uri_that_is_no_gated_registry_is_named_without_its_password(uri: str) -> None:
    with pytest.raises(InputError, match="this is not a gated registry") as caught:
        gated_store(uri)
    assert "secret" not in str(caught.value)


def test_a_runner_wants_the_servers_http_address(sqlite_database: str) -> None:
    settings = RunnerSettings(f"xray-gate+{sqlite_database}", "file:///tmp/mlruns")
    with pytest.raises(InputError, match="--tracking-uri"):
        new_runner(settings, announce=lambda text: None)


def test_plain_postgresql_uris_work_too(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XRAY_GATE_POLICY", str(write_policy(tmp_path, policy_document())))
    plain = postgres_database.replace("postgresql+psycopg://", "postgresql://")
    store = gated_store(f"xray-gate+{plain}")
    store.create_registered_model("signs")
    version = store.create_model_version("signs", "s3://models/signs")
    assert version.status == "PENDING_REGISTRATION"
    dispose(plain)
