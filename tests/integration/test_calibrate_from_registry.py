"""References out of a real registry: scanned by a real runner, fetched from a real server."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import onnx
import pytest
import yaml
from mlflow.tracking import MlflowClient

from tests.cli.making import clean_model, leaning_model, write_probes
from tests.support.databases import Databases
from tests.support.site import runner_arguments, xray_gate
from xray_gate.cli.demo_site import Site, running_site
from xray_gate.policy.calibration import Calibration, read_calibration
from xray_gate.scan.calibration_draft import CalibrationDraft

pytestmark = pytest.mark.slow

NAME = "signs"
XRAY = {"size": 10, "planes": 2}


def policy(**changes: Any) -> dict[str, Any]:
    return {
        "apiVersion": "xray-gate/v1",
        "kind": "Policy",
        "name": "signs",
        "match": {"registered_models": [NAME]},
        "probes": "../probes.npz",
        **changes,
    }


@dataclass(frozen=True)
class Place:
    """A server with four versions: 1 and 2 passed, 3 failed, 4 has the files of 2."""

    site: Site
    folder: Path

    def calibrate(self, *more: object) -> Any:
        return xray_gate(
            *("calibrate", "--from-registry", NAME, "--registry-uri", self.site.registry_uri),
            *(
                "--tracking-uri",
                self.site.tracking_uri,
                "--probes",
                str(self.folder / "probes.npz"),
            ),
            *("--policy", str(self.folder / "measured.yaml"), "--out", str(self.out)),
            *map(str, more),
        )

    @property
    def second(self) -> Path:
        return self.folder / "second.onnx"

    @property
    def out(self) -> Path:
        return self.folder / "calibration.json"

    @property
    def calibration(self) -> Calibration:
        return read_calibration(self.out)


@pytest.fixture(scope="module")
def place(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    database = databases.create("sqlite")
    folder = tmp_path_factory.mktemp("references")
    write_probes(folder / "probes.npz")
    (folder / "policies").mkdir()
    bound = {"statistic": "ats.valid", "bound": 0.5, "source": "between the two kinds"}
    strict = {"model_xray": {**XRAY, "thresholds": [bound]}}
    (folder / "policies" / "signs.yaml").write_text(yaml.safe_dump(policy(detectors=strict)))
    thresholds = {"calibration": "calibration.json", "statistics": ["ats.valid"]}
    measured = policy(detectors={"model_xray": {**XRAY, "thresholds": thresholds}})
    (folder / "measured.yaml").write_text(yaml.safe_dump({**measured, "probes": "probes.npz"}))
    with (
        running_site(folder, folder / "policies", database=database, with_runner=False) as site,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("MLFLOW_TRACKING_URI", site.tracking_uri)
        patch.setenv("OMP_NUM_THREADS", "1")
        # MLflow remembers the experiment of whichever server was asked before in this process.
        mlflow.set_experiment("training")
        register(folder)
        ran = xray_gate(*runner_arguments(site), "--once")
        assert ran.returncode == 0, ran.stderr
        yield Place(site, folder)
    databases.drop(database)


def register(folder: Path) -> None:
    client = MlflowClient()
    client.create_registered_model(NAME)
    first = artifact(clean_model(folder / "first.onnx", 0))
    second = logged_model(clean_model(folder / "second.onnx", 1))
    leaning = artifact(leaning_model(folder / "leaning.onnx"))
    for version in (first, second, leaning, second):
        client.create_model_version(NAME, **version, await_creation_for=0)


def artifact(path: Path) -> dict[str, str]:
    """A version that is a file."""
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(path))
    return {"source": f"{run.info.artifact_uri}/{path.name}", "run_id": run.info.run_id}


def logged_model(path: Path) -> dict[str, str]:
    """A version that is a folder, as MLflow logs models."""
    with mlflow.start_run():
        model = mlflow.onnx.log_model(
            onnx.load(path), name="model", pip_requirements=["onnxruntime"]
        )
    return {"source": model.model_uri, "model_id": model.model_id}


def test_versions_that_passed_become_clean_references(place: Place) -> None:
    made = place.calibrate()
    assert made.returncode == 0, made.stderr
    assert "left out: signs/3: its verdict was failed" in made.stderr
    assert "left out: signs/4: holds the same files as signs/2, which count once" in made.stderr
    kept = place.calibration
    assert [(item.name, item.group) for item in kept.references] == [
        ("signs/1", None),
        ("signs/2", None),
    ]
    tags = MlflowClient().get_model_version(NAME, "1").tags
    assert kept.references[0].digest == tags["xray_gate.digest"]


def test_a_version_that_is_also_given_as_a_file_counts_once(place: Place) -> None:
    made = place.calibrate("--clean", place.folder / "first.onnx", "--clean", place.second)
    assert made.returncode == 0, made.stderr
    assert "left out: signs/1: holds the same files as first.onnx, which count once" in made.stderr
    first, file, version = place.calibration.references
    assert (first.name, file.name, version.name) == ("first.onnx", "second.onnx", "signs/2")
    assert (file.scores, file.architecture) == (version.scores, version.architecture)
    assert "second.onnx, signs/2 have the same scores in everything" in made.stderr


def test_the_level_is_refused_by_what_the_ledger_holds_before_anything_is_fetched(
    place: Place,
) -> None:
    made = place.calibrate("--level", 0.05)
    assert made.returncode == 2
    assert re.search(r"\(signs/1, signs/2\) has 2 clean references, and level 0\.05", made.stderr)
    assert "probe accuracy" not in made.stderr


def test_files_that_were_changed_after_the_scan_are_an_error_that_names_the_version(
    place: Place,
) -> None:
    place.out.unlink(missing_ok=True)
    stored = next(
        path
        for path in (place.folder / "artifacts").rglob("*.onnx")
        if path.read_bytes() == place.second.read_bytes()
    )
    before = stored.read_bytes()
    leaning_model(stored)
    try:
        made = place.calibrate()
    finally:
        stored.write_bytes(before)
    assert (made.returncode, made.stdout) == (2, "")
    assert "error: signs/2: cannot be a reference: its files have changed" in made.stderr
    assert not place.out.exists()
    draft = CalibrationDraft(place.out, {})
    assert f"1 scored reference(s) are kept in {draft.path}" in made.stderr
    again = place.calibrate()
    assert again.returncode == 0, again.stderr
    assert "1/2 signs/1: probe accuracy 100.0%, scored before" in again.stderr
