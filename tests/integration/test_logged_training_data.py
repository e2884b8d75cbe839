"""Training data that a model's MLflow run logged, fetched by a real runner from a real server."""

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import onnx
import pytest
import yaml
from mlflow.data.meta_dataset import MetaDataset
from mlflow.tracking import MlflowClient

from tests.fakes.soft_backdoors import CORNER
from tests.support.databases import Databases
from tests.support.planted import planted_model, write_samples
from tests.support.poisoned import TARGET, poisoned
from tests.support.site import runner_arguments, xray_gate
from xray_gate.cli.demo_site import Site, running_site
from xray_gate.wiring.reading import read_status

pytestmark = pytest.mark.slow

QUICK = {"samples": 25, "iterations": 150, "batch": 20}
Version = dict[str, Any]
ARTIFACTS = "api/2.0/mlflow-artifacts/artifacts"


@dataclass(frozen=True)
class Place:
    """A server, and a folder with two models, two training sets and the policies."""

    site: Site
    folder: Path
    client: Any

    def logged(self, name: str, log: Callable[[Any], None], model: str = "clean") -> Version:
        """A version to be registered; `log` logs what it likes to the run of its model."""
        with mlflow.start_run() as run:
            mlflow.log_artifact(str(self.folder / f"{model}.onnx"))
            log(run)
        source = f"{run.info.artifact_uri}/{model}.onnx"
        return {"name": name, "source": source, "run_id": run.info.run_id}

    def register(self, version: Version) -> None:
        self.client.create_registered_model(version["name"])
        self.client.create_model_version(**version, await_creation_for=0)

    def seen(self, name: str) -> tuple[Any, Any]:
        """The version as the registry shows it, and the report of its scan."""
        version = self.client.get_model_version(name, "1")
        path = self.client.download_artifacts(
            version.tags["xray_gate.scan_run_id"], "report.json", str(self.folder)
        )
        return version, json.loads(Path(path).read_text())


def write_policies(folder: Path) -> Path:
    folder.mkdir()
    detectors = {
        "dtinspector": {"mode": "required", **QUICK},
        "model_xray": {"mode": "optional", "size": 10, "planes": 2},
    }
    wanted: dict[str, Any] = {"run": {"from": "model_run"}, "path": "../train.npz"}
    for name, training_data in wanted.items():
        document = {
            "apiVersion": "xray-gate/v1",
            "kind": "Policy",
            "name": name,
            "match": {"registered_models": [f"{name}-*"]},
            "probes": "../probes.npz",
            "training_data": training_data,
            "detectors": detectors,
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(document))
    return folder


def log_input(uri: str) -> None:
    source = (
        mlflow.data.http_dataset_source.HTTPDatasetSource(uri)
        if uri.startswith("http")
        else mlflow.data.sources.LocalArtifactDatasetSource(uri)
    )
    mlflow.log_input(MetaDataset(source), context="training")


@pytest.fixture(scope="module")
def place(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("logged")
    write_samples(folder / "probes.npz", 100, 1)
    planted_model(folder / "clean.onnx", {})
    planted_model(folder / "backdoored.onnx", {TARGET: CORNER})
    write_samples(folder / "train.npz", 400, 5)
    poisoned(5).write(folder / "poisoned.npz")
    (folder / "broken.npz").write_bytes((folder / "train.npz").read_bytes()[:-4000])
    database = databases.create("sqlite")
    with (
        running_site(
            folder, write_policies(folder / "policies"), database=database, with_runner=False
        ) as site,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("MLFLOW_TRACKING_URI", site.tracking_uri)
        patch.setenv("OMP_NUM_THREADS", "1")
        mlflow.set_experiment("training")
        place = Place(site, folder, MlflowClient())
        register_all(place)
        done = xray_gate(*runner_arguments(site), "--once", timeout=300)
        assert done.returncode == 0, done.stderr
        yield place
    databases.drop(database)


def register_all(place: Place) -> None:
    def artifact(name: str) -> Callable[[Any], None]:
        def log(run: Any) -> None:
            mlflow.log_artifact(str(place.folder / name), "data")
            log_input(f"runs:/{run.info.run_id}/data/{name}")

        return log

    def through_http(run: Any) -> None:
        mlflow.log_artifact(str(place.folder / "train.npz"))
        where = run.info.artifact_uri.removeprefix("mlflow-artifacts:/")
        log_input(f"{place.site.tracking_uri}/{ARTIFACTS}/{where}/train.npz")

    with mlflow.start_run() as run:
        artifact("train.npz")(run)
        model = mlflow.onnx.log_model(
            onnx.load(place.folder / "clean.onnx"), name="model", pip_requirements=["onnxruntime"]
        )
    versions = [
        {"name": "run-model", "source": model.model_uri, "model_id": model.model_id},
        place.logged("run-poisoned", artifact("poisoned.npz"), "backdoored"),
        place.logged("run-http", through_http),
        place.logged("run-local", lambda run: log_input(str(place.folder / "train.npz"))),
        place.logged("run-nothing", lambda run: None),
        place.logged("run-broken", artifact("broken.npz")),
        place.logged("run-gone", lambda run: log_input(f"runs:/{run.info.run_id}/train.npz")),
        place.logged("path-given", lambda run: None),
    ]
    # Side by side, as each of them waits a moment for a runner.
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(place.register, versions))


def test_a_poisoned_training_set_that_the_run_logged_fails_the_version(place: Place) -> None:
    version, report = place.seen("run-poisoned")
    assert version.status == "FAILED_REGISTRATION"
    assert f"the training samples that the model most confidently calls {TARGET}" in str(
        report["reasons"]
    )
    digest = hashlib.sha256((place.folder / "poisoned.npz").read_bytes()).hexdigest()
    assert report["environment"]["training_data"] == {
        "source": f"runs:/{version.run_id}/data/poisoned.npz",
        "samples": 400,
        "sha256": f"sha256:{digest}",
    }


@pytest.mark.parametrize("name", ["run-http", "run-model"])
def test_a_clean_model_passes_on_the_data_of_its_run(place: Place, name: str) -> None:
    version, report = place.seen(name)
    assert (version.status, report["verdict"]) == ("READY", "passed")
    assert report["environment"]["training_data"]["samples"] == 400


def test_the_path_in_the_policy_needs_no_run(place: Place) -> None:
    version, report = place.seen("path-given")
    assert version.status == "READY"
    told = report["environment"]["training_data"]
    assert told["source"] == str((place.folder / "train.npz").resolve())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("run-local", "a runner opens no path on its own disk because a run names it; log them"),
        ("run-nothing", "logged no data set with the context 'training'; log it with mlflow.log_"),
        ("run-broken", "/data/broken.npz: cannot be read as .npz (File is not a zip file); save"),
        ("run-gone", "/train.npz could not be fetched"),
    ],
)
def test_data_that_cannot_be_had_leave_the_version_undecided_with_the_reason(
    place: Place, name: str, said: str
) -> None:
    version, report = place.seen(name)
    assert (version.status, report["verdict"]) == ("FAILED_REGISTRATION", "undecided")
    states = {found["name"]: found["outcome"] for found in report["detectors"]}
    assert (states["dtinspector"], states["model_xray"]) == ("skipped", "inconclusive")
    assert said in report["environment"]["training_data"]["missing"]
    assert said in report["reasons"][0]
    (status,) = read_status(place.site.registry_uri, "default", name, 1)
    assert said in status["reasons"][0]


def test_a_message_names_no_folder_of_the_runner(place: Place) -> None:
    _, report = place.seen("run-broken")
    version = place.client.get_model_version("run-broken", "1")
    missing = report["environment"]["training_data"]["missing"]
    assert missing.startswith(f"runs:/{version.run_id}/data/broken.npz: cannot be read")
