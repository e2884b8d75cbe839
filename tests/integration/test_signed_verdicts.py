"""Registered, scanned and signed; downloaded from a real server; verified without MLflow."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.integration.conftest import Server
from tests.support.site import runner_arguments, xray_gate

# What a deploy pipeline's image does not have.
WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

GONE = {"mlflow", "sqlalchemy", "alembic", "psycopg", "torch", "onnxruntime", "onnx"}

class Blocker(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in GONE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
from xray_gate.cli.main import run
run(sys.argv[1:])
"""


@dataclass(frozen=True)
class Signed:
    """Both models, registered as `tiny-signed` and scanned by a runner with a key."""

    server: Server
    folder: Path
    said: str

    def version(self, name: str, number: int) -> Any:
        return self.server.client.get_model_version(name, str(number))

    def attestation(self, name: str, number: int) -> Path:
        """As a pipeline gets it: an artifact of the run that the version names."""
        run_id = self.version(name, number).tags["xray_gate.scan_run_id"]
        folder = self.folder / f"{name}-{number}"
        folder.mkdir(exist_ok=True)
        return Path(self.server.client.download_artifacts(run_id, "attestation.json", str(folder)))

    def downloaded(self, uri: str, name: str) -> Path:
        place = self.folder / name
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(place)))

    def verify(self, model: Path, attestation: Path, *more: object) -> tuple[int, dict[str, Any]]:
        policy = self.server.policies / "tiny.yaml"
        ended = subprocess.run(
            [
                *(sys.executable, "-c", WITHOUT, "verify", str(model), "--format", "json"),
                *("--attestation", str(attestation), "--trust", str(self.folder / "keys")),
                *("--policy", str(policy), *map(str, more)),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.stderr == ""
        return ended.returncode, json.loads(ended.stdout)


def register(server: Server, name: str, *kinds: str) -> None:
    server.client.create_registered_model(name)
    for source in (server.sources[kind] for kind in kinds):
        server.client.create_model_version(
            name, source, model_id=source.removeprefix("models:/"), await_creation_for=0
        )


@pytest.fixture(scope="module")
def signed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Signed:
    folder = tmp_path_factory.mktemp("signed")
    assert xray_gate("keys", "new", "--out", str(folder / "keys")).returncode == 0
    register(server, "tiny-signed", "clean", "backdoored")
    key = folder / "keys" / "signing.key"
    ended = xray_gate(*runner_arguments(server.site), "--once", "--signing-key", str(key))
    assert ended.returncode == 0, ended.stderr
    return Signed(server, folder, ended.stdout + ended.stderr)


def test_a_download_of_what_passed_is_verified(signed: Signed) -> None:
    model = signed.downloaded("models:/tiny-signed/1", "model")
    assert (model / "registered_model_meta").is_file()
    attestation = signed.attestation("tiny-signed", 1)
    code, told = signed.verify(
        model, attestation, "--max-age", "1d", "--resource", "models:/tiny-signed/1"
    )
    assert (code, told["verified"], told["findings"]) == (0, True, [])
    assert told["digest"] == signed.version("tiny-signed", 1).tags["xray_gate.digest"]
    (model / "MLmodel").write_text((model / "MLmodel").read_text() + "\n")
    (model / "more.py").write_text("")
    code, told = signed.verify(model, attestation)
    assert (code, [item["text"] for item in told["findings"]]) == (
        1,
        ["changed: MLmodel", "added: more.py"],
    )


def test_what_failed_is_signed_as_failed(signed: Signed) -> None:
    model = signed.downloaded(signed.server.sources["backdoored"], "backdoored")
    code, told = signed.verify(model, signed.attestation("tiny-signed", 2))
    assert (code, told["verdict"], len(told["findings"])) == (1, "failed", 1)
    # Nor does the attestation of the other version lend it its pass.
    code, told = signed.verify(model, signed.attestation("tiny-signed", 1))
    assert code == 1
    assert told["findings"][0]["text"].startswith("changed: ")


def test_a_copy_is_verified_by_the_attestation_of_what_was_scanned(signed: Signed) -> None:
    client = signed.server.client
    client.copy_model_version("models:/tiny-signed/1", "tiny-signed-production")
    model = signed.downloaded("models:/tiny-signed-production/1", "copy")
    attestation = signed.folder / "copy.json"
    ended = xray_gate(
        *("status", "tiny-signed-production/1", "--attestation", str(attestation)),
        *("--registry-uri", signed.server.site.registry_uri),
    )
    assert ended.returncode == 0, ended.stderr
    assert attestation.read_bytes() == signed.attestation("tiny-signed", 1).read_bytes()
    code, told = signed.verify(model, attestation)
    assert (code, told["resource"]) == (0, "models:/tiny-signed/1")


def test_an_unsigned_version_has_no_attestation_to_write(signed: Signed) -> None:
    server = signed.server
    register(server, "tiny-unsigned", "clean")
    assert xray_gate(*runner_arguments(server.site), "--once").returncode == 0
    assert signed.version("tiny-unsigned", 1).status == "READY"
    run_id = signed.version("tiny-unsigned", 1).tags["xray_gate.scan_run_id"]
    names = {item.path for item in server.client.list_artifacts(run_id)}
    assert "report.json" in names
    assert "attestation.json" not in names
    ended = xray_gate(
        *("status", "tiny-unsigned/1", "--attestation", str(signed.folder / "none.json")),
        *("--registry-uri", server.site.registry_uri),
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "no runner has signed a verdict on it; start runners with" in ended.stderr


def test_the_key_is_in_no_log_no_artifact_and_no_database(signed: Signed) -> None:
    secret = (signed.folder / "keys" / "signing.key").read_bytes().splitlines()[1]
    assert secret.decode() not in signed.said
    files = [path for path in signed.server.folder.rglob("*") if path.is_file()]
    assert any(path.name == "attestation.json" for path in files)
    assert not [path for path in files if secret in path.read_bytes()]
