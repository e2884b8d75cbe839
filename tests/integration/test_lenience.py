"""Exceptions, break-glass and adoption with a real server, real runners and a real suspicion."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from tests.integration.conftest import Server
from tests.support.evidence import exception_document
from tests.support.site import runner_arguments, xray_gate

pytestmark = pytest.mark.slow


def allow(server: Server, **changes: Any) -> None:
    path = server.policies / "tiny.yaml"
    document = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**document, **changes}))


def told(server: Server, *arguments: str) -> Any:
    done = xray_gate(*arguments, "--registry-uri", server.site.registry_uri, "--format", "json")
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def scan_what_waits(server: Server) -> None:
    done = xray_gate(*runner_arguments(server.site), "--once")
    assert done.returncode == 0, done.stderr


def registered(server: Server, name: str, kind: str = "backdoored") -> Any:
    source = server.sources[kind]
    server.client.create_registered_model(name)
    version = server.client.create_model_version(
        name, source, model_id=source.removeprefix("models:/"), await_creation_for=0
    )
    scan_what_waits(server)
    return server.client.get_model_version(name, version.version)


def refused(server: Server, name: str, version: int = 1, alias: str = "champion") -> str:
    with pytest.raises(MlflowException, match="PERMISSION_DENIED") as caught:
        server.client.set_registered_model_alias(name, alias, version)
    return str(caught.value)


def test_an_exception_from_its_file_to_its_end(server: Server) -> None:
    allow(server, exceptions={"most_days": 30})
    assert registered(server, "tiny-excused").status == "FAILED_REGISTRATION"
    refused(server, "tiny-excused")
    (row,) = told(server, "status", "tiny-excused/1")
    path = server.policies / "twin.exception.yaml"
    found = exception_document(policy="tiny", model=row["digest"])
    path.write_text(yaml.safe_dump(found))
    server.client.set_registered_model_alias("tiny-excused", "champion", 1)
    version = server.client.get_model_version("tiny-excused", "1")
    assert version.status == "READY"
    assert "failed; admitted by 1 exception, expires on " in version.status_message
    mlflow.onnx.load_model("models:/tiny-excused@champion")
    # The same bytes come again under another name: the runner knows the exception.
    again = registered(server, "tiny-excused-too")
    assert again.status == "READY"
    run = MlflowClient().get_run(again.tags["xray_gate.scan_run_id"])
    assert run.data.tags["xray_gate.exceptions"] == "known-attractor"
    assert run.data.tags["xray_gate.verdict"] == "failed"
    report = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/report.json")
    assert [one["name"] for one in report["exceptions"]] == ["known-attractor"]

    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")
    path.write_text(yaml.safe_dump({**found, "created": "2026-01-01", "expires": yesterday}))
    refused(server, "tiny-excused", alias="blue")
    checked = xray_gate("policy", "check", str(server.policies))
    assert checked.returncode == 1
    path.unlink()
    refused(server, "tiny-excused", alias="blue")


def test_a_broken_exception_stops_nothing(server: Server) -> None:
    path = server.policies / "broken.exception.yaml"
    path.write_text("kind: [")
    try:
        assert registered(server, "tiny-beside", "clean").status == "READY"
        server.client.set_registered_model_alias("tiny-beside", "champion", 1)
    finally:
        path.unlink()


def test_a_break_glass_from_the_night_to_its_review(server: Server) -> None:
    allow(server, break_glass={"minutes": 60})
    registered(server, "tiny-broken")
    found = told(
        server,
        *("break-glass", "tiny-broken/1", "--alias", "champion"),
        *("--justification", "the other one is down", "--by", "ann"),
    )
    refused(server, "tiny-broken", alias="blue")
    server.client.set_registered_model_alias("tiny-broken", "champion", 1)
    mlflow.onnx.load_model("models:/tiny-broken@champion")
    server.client.delete_registered_model_alias("tiny-broken", "champion")
    refused(server, "tiny-broken")
    checks = {one["check"]: one for one in told(server, "doctor")["checks"]}
    assert checks["break-glass"]["outcome"] == "wrong"
    number = str(found["id"])
    told(server, "break-glass", "--review", number, "--by", "bob", "--note", "looked at it")
    checks = {one["check"]: one for one in told(server, "doctor")["checks"]}
    assert checks["break-glass"]["outcome"] == "ok"


def test_a_version_from_before_the_gate_is_adopted(server: Server) -> None:
    allow(server, enforcement="audit", unsafe_allow_unscanned_reads=True)
    # As a server without the gate would have written it, on the same database.
    plain = SqlAlchemyStore(server.site.registry_uri.removeprefix("xray-gate+"))
    place = server.client.get_logged_model(server.sources["backdoored"].removeprefix("models:/"))
    plain.create_registered_model("tiny-old")
    plain.create_model_version("tiny-old", place.artifact_location)
    plain.set_registered_model_alias("tiny-old", "champion", 1)
    # The server writes its policies down when somebody registers.
    registered(server, "tiny-new", "clean")
    assert "tiny-old/1" in told(server, "adopt", "--queue")["queued"]
    mlflow.onnx.load_model("models:/tiny-old@champion")
    scan_what_waits(server)
    version = server.client.get_model_version("tiny-old", "1")
    assert (version.status, version.aliases) == ("READY", ["champion"])
    assert version.tags["xray_gate.verdict"] == "failed"
    mlflow.onnx.load_model("models:/tiny-old@champion")
    drafts = told(server, "adopt", "--write-exceptions", str(server.folder), "--days", "30")
    texts = [Path(path).read_text() for path in drafts["exceptions_written"]]
    assert any("tiny-old/1" in text for text in texts)
