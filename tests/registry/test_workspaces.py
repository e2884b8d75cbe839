from pathlib import Path
from typing import Any

import pytest
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.utils.workspace_context import WorkspaceContext

from tests.support.evidence import backdoored, clean
from tests.support.gate import KEPT, SOURCE, Gate, assert_refused
from xray_gate.registry.gated_store import WorkspaceGatedStore
from xray_gate.registry.work import RegistryWork


@pytest.fixture
def store(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The gate for a server with workspaces; `gate.work` scans all of them."""
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    plain = WorkspaceAwareSqlAlchemyStore(gate.uri)
    gate.work = RegistryWork(plain.ManagedSessionMaker, gate.ledger, "runner-1")
    return WorkspaceGatedStore(gate.uri, gate.parts)


def test_each_workspace_has_its_own_versions_and_verdicts(store: Any, gate: Gate) -> None:
    for team in ("team-a", "team-b"):
        with WorkspaceContext(team):
            store.create_registered_model("signs")
            assert store.create_model_version("signs", SOURCE).status == "PENDING_REGISTRATION"
    # The runner works for every workspace and is in none.
    gate.settle(clean())
    gate.settle(backdoored())
    with WorkspaceContext("team-a"):
        assert store.get_model_version("signs", 1).status == "READY"
        store.set_registered_model_alias("signs", "champion", 1)
        assert store.get_model_version_download_uri("signs", 1) == KEPT
    with WorkspaceContext("team-b"):
        version = store.get_model_version("signs", 1)
        assert version.status == "FAILED_REGISTRATION"
        assert version.tags["xray_gate.verdict"] == "failed"
        with assert_refused("team-b:signs/1 cannot be given the alias 'champion'"):
            store.set_registered_model_alias("signs", "champion", 1)
        with assert_refused("See `xray-gate status signs/1 --workspace team-b`"):
            store.set_registered_model_alias("signs", "champion", 1)
        assert "Next: xray-gate status signs/1 --workspace team-b" in version.status_message
        assert store.get_latest_versions("signs") == []


def test_a_rename_stays_within_its_workspace(store: Any, gate: Gate) -> None:
    for team in ("team-a", "team-b"):
        with WorkspaceContext(team):
            store.create_registered_model("signs")
            store.create_model_version("signs", SOURCE)
    with WorkspaceContext("team-a"):
        store.rename_registered_model("signs", "signs-2")
    assert gate.registration("signs-2", workspace="team-a") is not None
    assert gate.registration("signs", workspace="team-a") is None
    assert gate.registration("signs", workspace="team-b") is not None


def test_prompts_of_a_workspace_pass(store: Any) -> None:
    with WorkspaceContext("team-a"):
        store.create_prompt("greeting")
        store.create_prompt_version("greeting", "Hello")
        store.set_prompt_alias("greeting", "production", 1)
        assert store.get_prompt_version_by_alias("greeting", "production").template == "Hello"


def test_wiring_picks_the_store_for_the_server(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.evidence import policy_document, write_policy
    from xray_gate.registry.gated_store import GatedStore
    from xray_gate.wiring.server import gated_store

    policy = write_policy(tmp_path, policy_document())
    monkeypatch.setenv("XRAY_GATE_POLICY", str(policy))
    assert type(gated_store(f"xray-gate+{database}")) is GatedStore
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    assert type(gated_store(f"xray-gate+{database}")) is WorkspaceGatedStore
