"""A runner as it is run for real: its metrics, its health and its log."""

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import onnx
import pytest
from mlflow.exceptions import MlflowException

from tests.runner.watching import metrics_of
from tests.support.models import write_backdoored, write_clean
from tests.support.site import rows, started_runner, wait_until, write_site_policies
from xray_gate.cli.demo_site import Site, running_site

pytestmark = pytest.mark.slow

# As MLflow takes it for a name: neither `/` nor `:`.
HOSTILE = "tiny-\n{}\n2026-11-22 INFO settled\x1b[2J\u2028"
PASSED = 'xray_gate_verdicts_total{enforcement="enforce",verdict="passed"}'
FAILED = 'xray_gate_verdicts_total{enforcement="enforce",verdict="failed"}'


@dataclass(frozen=True)
class Day:
    """What a runner left behind after three registrations."""

    site: Site
    metrics: dict[str, float]
    health: dict[str, Any]
    lines: list[dict[str, Any]]
    ended: int

    def about(self, version: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("version") == version]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    folder = tmp_path_factory.mktemp("operating")
    policies = write_site_policies(folder / "policies")
    log = folder / "runner.log"
    with (
        running_site(folder, policies, with_runner=False) as site,
        pytest.MonkeyPatch.context() as patch,
        started_runner(
            site, log, "--metrics-address", "127.0.0.1:0", "--log-format", "json"
        ) as runner,
    ):
        patch.setenv("MLFLOW_TRACKING_URI", site.tracking_uri)
        found = wait_until(
            lambda: re.search(r"http://(127\.0\.0\.1:\d+)/metrics", log.read_text()),
            "the runner names no address",
            120,
        )
        address = f"http://{found[1]}"
        wait_until(lambda: _answers(f"{address}/health"), "the runner is not well", 120)
        _register(site, write_clean(folder / "clean.onnx"), write_backdoored(folder / "bad.onnx"))
        metrics = metrics_of(_get(f"{address}/metrics")).values
        health = json.loads(_get(f"{address}/health"))
        runner.terminate()
        ended = runner.wait(timeout=60)
        text = log.read_text()
        lines = [json.loads(line) for line in text.splitlines()]
        assert text.isascii()
        yield Day(site, metrics, health, lines, ended)


def _register(site: Site, *models: Path) -> None:
    # MLflow's client remembers the experiment of the server before.
    mlflow.set_experiment("training")
    sources = []
    for path in models:
        with mlflow.start_run(run_name=path.stem):
            logged = mlflow.onnx.log_model(
                onnx.load(path), name="model", pip_requirements=["onnxruntime"]
            )
        sources.append(str(logged.model_uri))
    mlflow.register_model(sources[0], "tiny-signs")
    with pytest.raises(MlflowException):
        mlflow.register_model(sources[1], "tiny-signs")
    mlflow.register_model(sources[0], HOSTILE)


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return bytes(answer.read())


def _answers(url: str) -> bool:
    try:
        return bool(_get(url))
    except OSError:
        return False


def test_the_pages_tell_what_was_done(day: Day) -> None:
    assert (day.metrics[PASSED], day.metrics[FAILED]) == (2, 1)
    assert day.metrics["xray_gate_scan_seconds_count"] == 3
    (queries,) = rows(
        day.site,
        "SELECT sum(json_extract(d.value, '$.queries')) FROM xray_gate_scans AS s,"
        " json_each(json_extract(s.evidence, '$.detectors')) AS d",
    )[0]
    assert day.metrics["xray_gate_queries_total"] == queries > 0
    assert day.metrics['xray_gate_queue_length{state="waiting"}'] == 0
    assert day.health["healthy"] is True


def test_every_line_of_the_log_is_one_object_with_time_and_level(day: Day) -> None:
    assert all(re.fullmatch(r"\d{4}-.*T.*\.\d{3}Z", line["time"]) for line in day.lines)
    ours = [line for line in day.lines if line["logger"].startswith("xray_gate.")]
    assert {line["level"] for line in ours} == {"INFO"}


def test_the_lines_of_a_scan_carry_the_ids_that_the_ledger_has(day: Day) -> None:
    for version, verdict in (("tiny-signs/1", "passed"), ("tiny-signs/2", "failed")):
        name, number = version.split("/")
        ((registration, scan_id, digest),) = rows(
            day.site,
            "SELECT r.id, s.scan_id, s.digest FROM xray_gate_registrations AS r"
            " JOIN xray_gate_scans AS s ON s.scan_id = r.scan_id"
            " WHERE r.name = :name AND r.version = :number",
            name=name,
            number=int(number),
        )
        claimed, settled = day.about(version)
        assert (claimed["event"], settled["event"]) == ("claimed", "settled")
        assert {claimed["registration_id"], settled["registration_id"]} == {registration}
        assert (settled["scan_id"], settled["digest"]) == (scan_id, digest)
        assert settled["verdict"] == verdict
        assert claimed["runner"] == settled["runner"]


def test_a_hostile_name_is_a_field_and_no_line(day: Day) -> None:
    events = [line["event"] for line in day.about(f"{HOSTILE}/1")]
    assert events == ["claimed", "settled"]
    assert not any("tiny" in series for series in day.metrics)
    settled = [line for line in day.lines if line.get("event") == "settled"]
    assert len(settled) == 3


def test_sigterm_ends_it_with_0(day: Day) -> None:
    assert day.ended == 0
