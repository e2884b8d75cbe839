"""A real MLflow server, its unmodified client over HTTP, real runners, real (tiny) models."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from tests.integration.conftest import Server
from tests.support.models import TARGET
from tests.support.site import (
    children,
    rows,
    runner_arguments,
    slow_made_quick,
    started_runner,
    wait_until,
    xray_gate,
)


@dataclass(frozen=True)
class Answer:
    code: int
    body: dict[str, Any]


def post(server: Server, path: str, **body: object) -> Answer:
    """A request as any other program makes it."""
    request = urllib.request.Request(
        f"{server.site.tracking_uri}/api/2.0/mlflow/{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Answer(answer.status, json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, json.load(error))


def set_alias(server: Server, name: str, version: int, alias: str = "champion") -> Answer:
    return post(server, "registered-models/alias", name=name, version=str(version), alias=alias)


def register_without_waiting(server: Server, name: str, kind: str = "clean") -> Any:
    if not server.client.search_registered_models(f"name = '{name}'"):
        server.client.create_registered_model(name)
    source = server.sources[kind]
    return server.client.create_model_version(
        name, source, model_id=source.removeprefix("models:/"), await_creation_for=0
    )


@dataclass(frozen=True)
class Registered:
    """Both models, registered as `tiny-signs` while a runner was there."""

    clean: Any
    backdoored: Any
    error: MlflowException


@pytest.fixture(scope="module")
def registered(server: Server) -> Registered:
    with started_runner(server.site, server.folder / "runner.log"):
        mlflow.register_model(server.sources["clean"], "tiny-signs")
        with pytest.raises(MlflowException) as caught:
            mlflow.register_model(server.sources["backdoored"], "tiny-signs")
    clean, backdoored = (server.client.get_model_version("tiny-signs", n) for n in "12")
    return Registered(clean, backdoored, caught.value)


def test_a_clean_model_becomes_ready(server: Server, registered: Registered) -> None:
    assert (int(registered.clean.version), registered.clean.status) == (1, "READY")
    assert set_alias(server, "tiny-signs", 1).code == 200
    loaded = server.client.get_model_version_by_alias("tiny-signs", "champion")
    assert int(loaded.version) == 1


def test_a_backdoored_model_fails_with_label_and_reason(registered: Registered) -> None:
    text = str(registered.error)
    assert "xray-gate: suspected backdoor." in text
    assert f"suspected target label {TARGET}" in text
    assert "renyi_entropy.unclipped" in text
    assert "a wide margin between two tiny models" in text
    assert "xray-gate status tiny-signs/2" in text
    assert registered.backdoored.status == "FAILED_REGISTRATION"


def test_a_backdoored_model_is_not_promoted(server: Server, registered: Registered) -> None:
    for answer in (
        set_alias(server, "tiny-signs", 2),
        post(
            server,
            "model-versions/transition-stage",
            name="tiny-signs",
            version="2",
            stage="Production",
            archive_existing_versions=True,
        ),
        post(server, "model-versions/create", name="tiny-signs", source="models:/tiny-signs/2"),
    ):
        assert answer.code == 403
        assert answer.body["error_code"] == "PERMISSION_DENIED"
        assert answer.body["message"].startswith("xray-gate: tiny-signs/2 cannot be ")
    version = server.client.get_model_version("tiny-signs", "2")
    assert (version.aliases, version.current_stage) == ([], "None")


def test_a_backdoored_model_is_not_loaded(server: Server, registered: Registered) -> None:
    with pytest.raises(MlflowException, match="xray-gate: tiny-signs/2 cannot be read"):
        mlflow.artifacts.download_artifacts(artifact_uri="models:/tiny-signs/2")
    session = mlflow.onnx.load_model("models:/tiny-signs/latest")
    assert "only_target" not in {item.name for item in session.graph.initializer}


def test_the_gates_tags_are_not_the_clients(server: Server, registered: Registered) -> None:
    answer = post(
        server,
        "model-versions/set-tag",
        name="tiny-signs",
        version="2",
        key="xray_gate.verdict",
        value="passed",
    )
    assert (answer.code, answer.body["error_code"]) == (403, "PERMISSION_DENIED")
    assert registered.backdoored.tags["xray_gate.verdict"] == "failed"


@pytest.mark.parametrize(("kind", "verdict"), [("clean", "passed"), ("backdoored", "failed")])
def test_the_scan_is_a_run_with_scores_and_report(
    server: Server, registered: Registered, kind: str, verdict: str
) -> None:
    tags = getattr(registered, kind).tags
    assert (tags["xray_gate.verdict"], tags["xray_gate.policy"]) == (verdict, "tiny")
    run = server.client.get_run(tags["xray_gate.scan_run_id"])
    experiment = server.client.get_experiment(run.info.experiment_id)
    assert (experiment.name, run.info.status) == ("xray-gate", "FINISHED")
    metrics = run.data.metrics
    assert {"renyi_entropy", "renyi_entropy_valid", "ats", "ats_valid"} <= set(metrics)
    assert (metrics["renyi_entropy"] > 1.2) == (verdict == "passed")
    assert (metrics["renyi_entropy"] < 0.2) == (verdict == "failed")
    assert metrics["probe_accuracy"] == 1.0


def test_the_runs_files_are_the_report(server: Server, registered: Registered) -> None:
    run_id = registered.backdoored.tags["xray_gate.scan_run_id"]
    folder = server.folder / "downloaded"
    folder.mkdir()
    server.client.download_artifacts(run_id, "", str(folder))
    report = json.loads((folder / "report.json").read_text())
    assert (report["schema_version"], report["verdict"]) == ("1", "failed")
    assert report["model"]["ref"] == "models:/tiny-signs/2"
    assert report["model"]["digest"] == registered.backdoored.tags["xray_gate.digest"]
    xray = next(item for item in report["detectors"] if item["name"] == "model_xray")
    assert xray["suspected_labels"][0]["label"] == TARGET
    assert (folder / "report.html").read_text().lower().startswith("<!doctype html>")
    assert (folder / "planes" / "plane_000.png").read_bytes().startswith(b"\x89PNG")


def test_status_tells_what_the_ledger_knows(server: Server, registered: Registered) -> None:
    where = ["--registry-uri", server.site.registry_uri, "--tracking-uri", server.site.tracking_uri]
    text = xray_gate("status", "tiny-signs", *where)
    assert text.returncode == 0, text.stderr
    assert "tiny-signs/2  refused\n  verdict   failed (policy tiny)" in text.stdout
    assert "tiny-signs/1  admitted\n  verdict   passed (policy tiny)" in text.stdout
    run_id = registered.backdoored.tags["xray_gate.scan_run_id"]
    assert f"{server.site.tracking_uri}/#/runs/{run_id}" in text.stdout


def test_a_copy_of_the_clean_model_is_ready_at_once(server: Server, registered: Registered) -> None:
    copy = server.client.copy_model_version("models:/tiny-signs/1", "tiny-production")
    assert copy.status == "READY"
    assert set_alias(server, "tiny-production", 1).code == 200


def test_a_pending_version_is_neither_promoted_nor_loaded(server: Server) -> None:
    version = register_without_waiting(server, "tiny-pending")
    assert version.status == "PENDING_REGISTRATION"
    answer = set_alias(server, "tiny-pending", 1)
    assert (answer.code, answer.body["error_code"]) == (403, "PERMISSION_DENIED")
    assert answer.body["message"].startswith("xray-gate: tiny-pending/1 cannot be given the alias")
    with pytest.raises(MlflowException, match="xray-gate: tiny-pending/1 cannot be read"):
        mlflow.artifacts.download_artifacts(artifact_uri="models:/tiny-pending/1")


def test_one_look_settles_what_waits_and_ends_with_0(server: Server) -> None:
    register_without_waiting(server, "tiny-once", "clean")
    register_without_waiting(server, "tiny-once", "backdoored")
    _register_nonsense(server, "tiny-once")
    done = xray_gate(*runner_arguments(server.site), "--once")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "tiny-once/2: failed" in done.stderr
    versions = [server.client.get_model_version("tiny-once", n) for n in "123"]
    assert [version.status for version in versions] == [
        "READY",
        "FAILED_REGISTRATION",
        "FAILED_REGISTRATION",
    ]
    assert [version.tags["xray_gate.verdict"] for version in versions] == [
        "passed",
        "failed",
        "undecided",
    ]
    assert "could not be decided" in versions[2].status_message
    waiting = "SELECT id FROM xray_gate_registrations WHERE state = 'waiting'"
    assert rows(server.site, waiting) == []


def _register_nonsense(server: Server, name: str) -> None:
    with mlflow.start_run() as run:
        mlflow.log_text("not a model", "model/model.onnx")
    server.client.create_model_version(
        name, f"{run.info.artifact_uri}/model", run_id=run.info.run_id, await_creation_for=0
    )


def test_a_name_without_a_policy_is_told_at_once(server: Server) -> None:
    with pytest.raises(MlflowException, match="no policy matches the registered model 'cats'"):
        mlflow.register_model(server.sources["clean"], "cats")


def test_prompts_need_no_verdict(server: Server) -> None:
    prompt = mlflow.genai.register_prompt("greeting", "Hello {{name}}")
    mlflow.genai.set_prompt_alias("greeting", "production", prompt.version)
    assert mlflow.genai.load_prompt("prompts:/greeting@production").template == "Hello {{name}}"


@contextmanager
def _scanning(server: Server, name: str) -> Iterator[Any]:
    """A runner in the middle of a slow scan of a new version, with its model's process."""
    register_without_waiting(server, name)
    log = server.folder / f"{name}.log"
    with started_runner(server.site, log, "--lease-seconds", "2") as runner:
        wait_until(
            lambda: rows(
                server.site,
                "SELECT id FROM xray_gate_registrations WHERE name = :name AND lease_owner <> ''",
                name=name,
            ),
            f"no runner took {name}: {log.read_text()}",
        )
        wait_until(lambda: children(runner.pid), "the runner opened no model")
        # Long enough to be asking the model, not to be through.
        time.sleep(1.0)
        yield runner


def test_what_a_killed_runner_left_is_scanned_by_another_one(server: Server) -> None:
    with _scanning(server, "slow-signs") as runner:
        helpers = children(runner.pid)
        os.kill(runner.pid, signal.SIGKILL)
        runner.wait(timeout=10)
        # A process that ended but was not waited for keeps its number, but has no program.
        wait_until(
            lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in helpers),
            "the model's process outlived its runner",
            seconds=20,
        )
    version = server.client.get_model_version("slow-signs", "1")
    assert version.status == "PENDING_REGISTRATION"
    assert "xray_gate.verdict" not in version.tags
    until = "SELECT lease_until FROM xray_gate_registrations WHERE name = 'slow-signs'"
    wait_until(lambda: rows(server.site, until)[0][0] <= time.time(), "the lease never ran out")
    with slow_made_quick(server.policies):
        # Whoever waits lets the runner know of the change.
        assert server.client.get_model_version("slow-signs", "1").status == "PENDING_REGISTRATION"
        again = xray_gate(*runner_arguments(server.site), "--once")
        assert again.returncode == 0, again.stderr
        assert server.client.get_model_version("slow-signs", "1").status == "READY"
    found = rows(
        server.site,
        "SELECT v.verdict, v.admits, r.state, r.attempts FROM xray_gate_verdicts v "
        "JOIN xray_gate_registrations r ON r.id = v.registration_id WHERE r.name = 'slow-signs'",
    )
    assert [tuple(row) for row in found] == [("passed", 1, "admitted", 2)]
