"""What is read of a run's data sets, with MLflow's own tracking store and without a server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.http_dataset_source import HTTPDatasetSource
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.tracking import MlflowClient

from xray_gate.core.errors import ScanError
from xray_gate.registry.training_inputs import LoggedInputs
from xray_gate.scan.work import ModelOrigin, TrainingFiles


class Tracking:
    """Runs whose artifacts a server would hand out; `fetched` are the places asked for."""

    def __init__(self, uri: str, folder: Path) -> None:
        self.client: Any = MlflowClient(tracking_uri=uri)
        self.uri = uri
        self.fetched: list[str] = []
        self._folder = folder

    def run(self, *inputs: DatasetInput, artifacts: str = "mlflow-artifacts:/7") -> str:
        place = self.client.create_experiment(f"e{len(artifacts)}", artifact_location=artifacts)
        run_id = str(self.client.create_run(place).info.run_id)
        if inputs:
            self.client.log_inputs(run_id, list(inputs))
        return run_id

    @contextmanager
    def fetch(self, location: str) -> Iterator[Path]:
        self.fetched.append(location)
        yield self._folder

    def found(self, run_id: str | None, source: str = "s3://m") -> TrainingFiles:
        with LoggedInputs(self.uri, self.fetch)(ModelOrigin(run_id, source)) as files:
            return files

    def refusal(self, run_id: str | None) -> str:
        with pytest.raises(ScanError) as caught:
            self.found(run_id)
        assert self.fetched == []
        assert "policy's `training_data`" in str(caught.value)
        return str(caught.value)


@pytest.fixture
def tracking(sqlite_database: str, tmp_path: Path) -> Tracking:
    return Tracking(sqlite_database, tmp_path)


def logged(
    uri: str | None = None, context: str = "training", kind: str = "local", **source: Any
) -> DatasetInput:
    content = json.dumps({"uri": uri} if uri else source)
    name = f"data-{len(content)}"
    tags = [InputTag("mlflow.data.context", context)]
    return DatasetInput(Dataset(name, "1", kind, content), tags)


@pytest.mark.parametrize("context", ["training", "train"])
def test_the_training_data_among_a_runs_inputs_are_fetched(
    tracking: Tracking, context: str
) -> None:
    wanted = logged("mlflow-artifacts:/7/r/artifacts/train.npz", context)
    other = logged("mlflow-artifacts:/7/r/artifacts/held_out.npz", "validation")
    found = tracking.found(tracking.run(other, wanted))
    assert found.source == "mlflow-artifacts:/7/r/artifacts/train.npz"
    assert tracking.fetched == [found.source]


def test_a_run_uri_is_the_place_of_its_artifacts(tracking: Tracking) -> None:
    run_id = tracking.run()
    uri = f"runs:/{run_id}/data/train set.npz"
    tracking.client.log_inputs(run_id, [logged(uri)])
    assert tracking.found(run_id).source == uri
    assert tracking.fetched == [f"mlflow-artifacts:/7/{run_id}/artifacts/data/train set.npz"]


def test_a_model_that_was_logged_without_a_run_id_leads_to_its_run(tracking: Tracking) -> None:
    run_id = tracking.run(logged("mlflow-artifacts:/7/r/train.npz"))
    experiment = tracking.client.get_run(run_id).info.experiment_id
    model = tracking.client.create_logged_model(experiment, source_run_id=run_id)
    tracking.found(None, f"models:/{model.model_id}")
    assert tracking.fetched == ["mlflow-artifacts:/7/r/train.npz"]


def test_a_version_without_a_run_is_told_so(tracking: Tracking) -> None:
    assert "the version names no MLflow run" in tracking.refusal(None)


def test_a_run_that_is_not_there_is_told_so(tracking: Tracking) -> None:
    with pytest.raises(ScanError, match=r"could not be looked up .* not found"):
        tracking.found("f" * 32)


def test_a_run_without_training_data_is_told_so(tracking: Tracking) -> None:
    run_id = tracking.run(logged("mlflow-artifacts:/7/r/x.npz", "validation"))
    assert f"the run {run_id} logged no data set with the context" in tracking.refusal(run_id)


def test_of_two_data_sets_none_is_chosen(tracking: Tracking) -> None:
    run_id = tracking.run(logged("mlflow-artifacts:/7/a"), logged("mlflow-artifacts:/7/bb"))
    assert "logged 2 data sets with the context 'training'" in tracking.refusal(run_id)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (logged("/etc/shadow"), "'local' ('/etc/shadow'), and a runner opens no path on its own"),
        (logged("file:///etc/shadow"), "opens no path on its own disk because a run names it"),
        (logged("train.npz"), "opens no path on its own disk because a run names it"),
        (logged("s3://data/train.npz", kind="s3"), "'s3' ('s3://data/train.npz'), and a runner r"),
        (logged(url="http://elsewhere/train.npz", kind="http"), "artifacts of its own tracking s"),
        (logged(path="cifar10", kind="hugging_face"), "of the type 'hugging_face', and a runner"),
        (logged("mlflow-artifacts://elsewhere:80/7/r/x.npz"), "artifacts of its own tracking s"),
        (logged("mlflow-artifacts:/7/../../../mlflow/runs/get"), "artifacts of its own tracking"),
        (logged("mlflow-artifacts:/7/%2e%2e/%2E./x.npz"), "artifacts of its own tracking server"),
        (logged("mlflow-artifacts:/7/x.npz?y=1"), "artifacts of its own tracking server"),
        (logged("mlflow-artifacts:/7/a\x00b"), "artifacts of its own tracking server"),
        (logged("\x00mlflow-artifacts:/7/r/x.npz"), "artifacts of its own tracking server"),
        (logged("mlflow-artifacts:/"), "artifacts of its own tracking server"),
        (logged("runs:/"), "artifacts of its own tracking server"),
        (logged("http://[/x"), "artifacts of its own tracking server"),
        (logged(uri=None, uri2=1), "of the type 'local', and a runner reads only"),
    ],
)
def test_a_place_that_the_server_does_not_hand_out_is_refused(
    tracking: Tracking, source: DatasetInput, said: str
) -> None:
    assert said in tracking.refusal(tracking.run(source))


@pytest.mark.parametrize("text", ["[" * 9999, "{", "[]", '"/etc/shadow"', '{"uri": ["x"]}'])
def test_a_source_that_is_no_mapping_is_refused(tracking: Tracking, text: str) -> None:
    tags = [InputTag("mlflow.data.context", "training")]
    run_id = tracking.run(DatasetInput(Dataset("d", "1", "code", text), tags))
    assert "have a source of the type 'code', and" in tracking.refusal(run_id)


def test_a_run_whose_artifacts_lie_on_a_disk_leads_nowhere(
    tracking: Tracking, tmp_path: Path
) -> None:
    run_id = tracking.run(artifacts=tmp_path.as_uri())
    tracking.client.log_inputs(run_id, [logged(f"runs:/{run_id}/train.npz")])
    assert "artifacts of its own tracking server" in tracking.refusal(run_id)


def test_a_message_is_cut_where_a_source_is_long(tracking: Tracking) -> None:
    assert len(tracking.refusal(tracking.run(logged("s3://" + "x" * 9000)))) < 700


def test_what_mlflows_own_sources_write_is_understood(tracking: Tracking) -> None:
    run_id = tracking.run()
    images = np.zeros((2, 3))
    sources = [
        mlflow.data.sources.LocalArtifactDatasetSource(f"runs:/{run_id}/train.npz"),
        HTTPDatasetSource("http://elsewhere/x.npz"),
        CodeDatasetSource({}),
    ]
    for source, context in zip(sources, ("training", "web", "code"), strict=True):
        dataset = mlflow.data.from_numpy(images, source, name=context)._to_mlflow_entity()
        tags = [InputTag("mlflow.data.context", context)]
        tracking.client.log_inputs(run_id, [DatasetInput(dataset, tags)])
    assert tracking.found(run_id).source == f"runs:/{run_id}/train.npz"
