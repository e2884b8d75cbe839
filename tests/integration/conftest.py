from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import onnx
import pytest
from mlflow.tracking import MlflowClient

from tests.support.databases import Databases
from tests.support.models import write_backdoored, write_clean
from tests.support.site import write_site_policies
from xray_gate.cli.demo_site import Site, running_site


@dataclass(frozen=True)
class Server:
    """A server with the gate and without a runner; MLflow's own client is pointed at it."""

    site: Site
    folder: Path
    policies: Path
    client: Any
    sources: dict[str, str]


# The store's own tests try both databases with every change; whole servers in `make test-slow`.
_SERVED = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=_SERVED)
def server(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    database = databases.create(request.param)
    folder = tmp_path_factory.mktemp(f"site-{request.param}")
    policies = write_site_policies(folder / "policies")
    with (
        running_site(folder, policies, database=database, with_runner=False) as site,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("MLFLOW_TRACKING_URI", site.tracking_uri)
        mlflow.set_experiment("training")
        sources = {
            "clean": _logged(write_clean(folder / "clean.onnx")),
            "backdoored": _logged(write_backdoored(folder / "backdoored.onnx")),
        }
        yield Server(site, folder, policies, MlflowClient(), sources)
    databases.drop(database)


def _logged(path: Path) -> str:
    with mlflow.start_run(run_name=path.stem):
        # Without requirements MLflow loads the model in another process to guess them.
        logged = mlflow.onnx.log_model(
            onnx.load(path), name="model", pip_requirements=["onnxruntime"]
        )
    return str(logged.model_uri)
