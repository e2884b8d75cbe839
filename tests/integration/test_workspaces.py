"""A server with workspaces and accounts: scans, evidence and kept bytes are a team's own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import onnx
import pytest
from mlflow.tracking import MlflowClient
from mlflow.utils.workspace_context import WorkspaceContext

from tests.support.databases import Databases
from tests.support.mlflow_server import ADMIN, Account, Caller, mlflow_server
from tests.support.models import write_backdoored, write_clean
from tests.support.site import runner_arguments, write_site_policies, xray_gate
from xray_gate.cli.demo_site import Site
from xray_gate.scan.digest import model_digest

TEAM, OTHERS = "team-a", "team-b"
MEMBER = Account("member")


@dataclass(frozen=True)
class TeamSite:
    """Two workspaces; in the first a clean and a backdoored model were registered and scanned."""

    site: Site
    folder: Path
    versions: list[Any]

    def caller(self, workspace: str, account: Account = ADMIN) -> Caller:
        return Caller(self.site.tracking_uri, account, workspace)


@contextmanager
def client_in(address: str, workspace: str) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, WorkspaceContext(workspace):
        patch.setenv("MLFLOW_TRACKING_URI", address)
        for name, value in ADMIN.environment().items():
            patch.setenv(name, value)
        yield MlflowClient()


@pytest.fixture(scope="module")
def team(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TeamSite]:
    database = databases.create("sqlite")
    folder = tmp_path_factory.mktemp("team")
    policies = write_site_policies(folder / "policies")
    with mlflow_server(
        folder,
        f"xray-gate+{database}",
        backend=database,
        auth="READ",
        workspaces=True,
        environment={"XRAY_GATE_POLICY": str(policies)},
    ) as address:
        site = Site(address, f"xray-gate+{database}")
        for name in (TEAM, OTHERS):
            answer = Caller(address, ADMIN)("POST", "/api/3.0/mlflow/workspaces", {"name": name})
            assert answer.code == 201, answer
        with client_in(address, TEAM) as client:
            _register(client, folder)
        # A runner is in no workspace, or in another one.
        with client_in(address, OTHERS):
            ended = xray_gate(*runner_arguments(site), "--once")
        assert ended.returncode == 0, ended.stderr
        with client_in(address, TEAM) as client:
            versions = [client.get_model_version("tiny-signs", number) for number in "12"]
        yield TeamSite(site, folder, versions)
    databases.drop(database)


def _register(client: Any, folder: Path) -> None:
    mlflow.set_experiment("training")
    client.create_registered_model("tiny-signs")
    for path in (write_clean(folder / "clean.onnx"), write_backdoored(folder / "backdoored.onnx")):
        with mlflow.start_run():
            logged = mlflow.onnx.log_model(
                onnx.load(path), name="model", pip_requirements=["onnxruntime"]
            )
        model_id = str(logged.model_uri).removeprefix("models:/")
        client.create_model_version(
            "tiny-signs", logged.model_uri, model_id=model_id, await_creation_for=0
        )


def test_a_runner_scans_what_lies_in_a_teams_own_place(team: TeamSite) -> None:
    clean, backdoored = team.versions
    assert (clean.status, backdoored.status) == ("READY", "FAILED_REGISTRATION")
    assert backdoored.tags["xray_gate.verdict"] == "failed"


def test_the_evidence_is_in_the_teams_workspace_only(team: TeamSite) -> None:
    run_id = team.versions[0].tags["xray_gate.scan_run_id"]
    found = [
        team.caller(workspace)("GET", "/api/2.0/mlflow/runs/get", {"run_id": run_id}).code
        for workspace in (TEAM, OTHERS)
    ]
    assert found == [200, 404]


def test_what_a_team_downloads_are_the_bytes_that_were_scanned(team: TeamSite) -> None:
    with client_in(team.site.tracking_uri, TEAM):
        folder = mlflow.artifacts.download_artifacts(artifact_uri="models:/tiny-signs/1")
    # MLflow's own addition is in no digest.
    (Path(folder) / "registered_model_meta").unlink()
    assert model_digest(Path(folder)) == team.versions[0].tags["xray_gate.digest"]


def test_another_workspace_has_no_say_over_kept_bytes(team: TeamSite) -> None:
    """The same place, asked for in another workspace, is another place."""
    kept = f"/api/2.0/mlflow-artifacts/artifacts/{_kept(team)}/MLmodel"
    before = team.caller(TEAM)("GET", kept)
    assert before.code == 200
    assert team.caller(OTHERS)("PUT", kept, raw=b"other bytes").code == 200
    assert team.caller(TEAM)("GET", kept) == before


@pytest.mark.parametrize("workspace", [OTHERS, "default"])
@pytest.mark.parametrize(
    "named", [f"workspaces/{TEAM}", f"workspaces%2F{TEAM}", f"a/../workspaces/{TEAM}"]
)
def test_nor_does_it_reach_them_by_their_whole_path(
    team: TeamSite, workspace: str, named: str
) -> None:
    artifacts = "/api/2.0/mlflow-artifacts/artifacts"
    before = team.caller(TEAM)("GET", f"{artifacts}/{_kept(team)}/MLmodel")
    other = team.caller(workspace)
    for verb in ("PUT", "DELETE", "GET"):
        assert other(verb, f"{artifacts}/{named}/{_kept(team)}/MLmodel", raw=b"x").code >= 400
    assert team.caller(TEAM)("GET", f"{artifacts}/{_kept(team)}/MLmodel") == before


def test_who_may_only_read_does_not_write_over_kept_bytes(team: TeamSite) -> None:
    _let_read(team, MEMBER)
    kept = f"/api/2.0/mlflow-artifacts/artifacts/{_kept(team)}/MLmodel"
    member = team.caller(TEAM, MEMBER)
    before = member("GET", kept)
    assert before.code == 200
    assert member("PUT", kept, raw=b"other bytes").code == 403
    assert member("DELETE", kept).code == 403
    assert member("GET", kept) == before


def _kept(team: TeamSite) -> str:
    query = {"name": "tiny-signs", "version": "1"}
    answer = team.caller(TEAM)("GET", "/api/2.0/mlflow/model-versions/get-download-uri", query)
    uri = str(answer.body["artifact_uri"])
    assert uri.startswith("mlflow-artifacts:/xray-gate-snapshots/sha256-"), uri
    return uri.removeprefix("mlflow-artifacts:/")


def _let_read(team: TeamSite, account: Account) -> None:
    def done(path: str, body: Mapping[str, object]) -> dict[str, Any]:
        answer = team.caller(TEAM)("POST", path, body)
        assert answer.code in (200, 201), answer
        return answer.body

    roles = "/api/3.0/mlflow/roles"
    made = done(f"{roles}/create", {"workspace": TEAM, "name": "readers"})["role"]
    role = {"role_id": made["id"]}
    read = {"resource_type": "workspace", "resource_pattern": "*", "permission": "USE"}
    done(f"{roles}/permissions/add", {**role, **read})
    new = {"username": account.name, "password": account.password}
    done("/api/2.0/mlflow/users/create", new)
    done(f"{roles}/assign", {**role, "username": account.name})
