"""Writes that do not pass the gated store: each is tried, with the triggers and without."""

import gc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click import ClickException
from mlflow.entities.workspace import Workspace
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.store.workspace.sqlalchemy_store import SqlAlchemyStore as Workspaces
from mlflow.utils.workspace_context import WorkspaceContext
from sqlalchemy.exc import DBAPIError

from tests.registry.other_writers import OTHER_WRITERS, TEAM, log_a_report
from tests.registry.standing import promoted
from tests.support.databases import KINDS, Databases, dispose
from tests.support.evidence import backdoored, clean
from tests.support.gate import SOURCE, Gate, assert_refused
from xray_gate.cli.examination import examine
from xray_gate.cli.finding import Finding, Outcome
from xray_gate.registry.gated_store import WorkspaceGatedStore
from xray_gate.registry.work import RegistryWork

DOCUMENT = Path(__file__).parents[2] / "docs" / "threat-model.md"
# On SQLite a trigger fails as a constraint does, for which MLflow tries again and then forgets why.
REFUSED = "xray-gate: |Giving up after 3 attempts"
PREVENTED = [name for name, writer in OTHER_WRITERS.items() if writer.decision == "prevented"]
DETECTED = [
    (name, kind)
    for name, writer in OTHER_WRITERS.items()
    if writer.decision == "detected"
    for kind in (KINDS[:1] if writer.sqlite_only else KINDS)
]


def make_site(database: str, folder: Path, *, triggers: bool) -> Gate:
    """`signs` has a refused and an admitted version; a team has an admitted one of its own."""
    gate = Gate(database, folder / "policies", triggers=triggers)
    Workspaces(gate.uri).create_workspace(Workspace(TEAM))
    plain = WorkspaceAwareSqlAlchemyStore(gate.uri)
    gate.work = RegistryWork(plain.ManagedSessionMaker, gate.ledger, "runner-1")
    gate.store = WorkspaceGatedStore(gate.uri, gate.parts)
    with WorkspaceContext("default"):
        gate.store.create_registered_model("signs")
        for evidence in (backdoored(), clean()):
            gate.store.create_model_version("signs", SOURCE)
            gate.settle(evidence)
        gate.store.set_registered_model_alias("signs", "champion", 2)
    with WorkspaceContext(TEAM):
        gate.store.create_registered_model("signs-team")
        gate.store.create_model_version("signs-team", SOURCE)
        gate.settle(clean())
        gate.store.set_registered_model_alias("signs-team", "champion", 1)
    log_a_report(gate)
    return gate


# MLflow's commands and its store of workspaces leave their connections to the garbage collector,
# which must find them here and not in somebody else's test.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _with_workspaces(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    yield
    gc.collect()


def _standing(gate: Gate) -> set[str]:
    with gate.connection() as connection:
        return {what for what in promoted(connection) if " tagged " not in what}


def _finding(uri: str, check: str) -> Finding:
    return next(f for f in examine(f"xray-gate+{uri}", None) if f.check == check)


@pytest.mark.parametrize("name", PREVENTED)
def test_the_triggers_let_nobody_promote_past_the_gate(
    database: str, tmp_path: Path, name: str
) -> None:
    gate, writer = make_site(database, tmp_path, triggers=True), OTHER_WRITERS[name]
    before = _standing(gate)
    assert writer.attempt is not None
    if writer.promotes:
        with pytest.raises((MlflowException, DBAPIError, ClickException), match=REFUSED):
            writer.attempt(gate)
    else:
        writer.attempt(gate)
    assert _standing(gate) <= before
    for check in ("triggers", "trial", "promoted"):
        assert _finding(gate.uri, check).outcome is Outcome.OK


@pytest.mark.parametrize("name", PREVENTED)
def test_without_triggers_doctor_lists_what_was_promoted(
    sqlite_database: str, tmp_path: Path, name: str
) -> None:
    gate, writer = make_site(sqlite_database, tmp_path, triggers=False), OTHER_WRITERS[name]
    before = _standing(gate)
    assert writer.attempt is not None
    writer.attempt(gate)
    added = {what.partition(" ")[0] for what in _standing(gate) - before}
    assert bool(added) == writer.promotes
    found = _finding(gate.uri, "promoted")
    assert (found.outcome is Outcome.WRONG) == writer.promotes
    assert added <= {detail.partition(": ")[0] for detail in found.details}


@pytest.mark.parametrize(("name", "kind"), DETECTED)
def test_doctor_names_what_the_triggers_cannot_see(
    databases: Databases, tmp_path: Path, name: str, kind: str
) -> None:
    writer, database = OTHER_WRITERS[name], databases.create(kind)
    gate = make_site(database, tmp_path, triggers=True)
    assert writer.attempt is not None
    assert writer.wrong is not None
    assert _finding(gate.uri, writer.wrong).outcome is Outcome.OK
    other = writer.attempt(gate)
    uri = other if isinstance(other, str) else gate.uri
    assert _finding(uri, writer.wrong).outcome is Outcome.WRONG
    databases.drop(database)


def test_what_was_migrated_from_files_is_promoted_by_nobody(
    sqlite_database: str, tmp_path: Path
) -> None:
    writer = OTHER_WRITERS["`mlflow migrate-filestore`"]
    assert writer.attempt is not None
    uri = writer.attempt(Gate(sqlite_database, tmp_path / "policies"))
    migrated = Gate(str(uri), tmp_path / "policies", triggers=True)
    listed = _finding(migrated.uri, "promoted").details
    assert listed == ["signs/1: status READY, alias champion"]
    with assert_refused("it was registered before the gate and never scanned"):
        migrated.store.get_model_version_download_uri("signs", 1)
    with assert_refused("it was registered before the gate and never scanned"):
        migrated.store.set_registered_model_alias("signs", "production", 1)
    dispose(migrated.uri)


@pytest.mark.parametrize("triggers", [True, False])
def test_a_name_in_a_new_workspace_of_an_old_name_begins_anew(
    database: str, tmp_path: Path, triggers: bool
) -> None:
    from mlflow.entities.workspace import WorkspaceDeletionMode

    gate = make_site(database, tmp_path, triggers=triggers)
    workspaces = Workspaces(gate.uri)
    workspaces.delete_workspace(TEAM, WorkspaceDeletionMode.CASCADE)
    workspaces.create_workspace(Workspace(TEAM))
    with WorkspaceContext(TEAM):
        gate.store.create_registered_model("signs-team")
        version = gate.store.create_model_version("signs-team", SOURCE)
        assert (int(version.version), version.status) == (1, "PENDING_REGISTRATION")
        with assert_refused("it waits for a scan"):
            gate.store.set_registered_model_alias("signs-team", "champion", 1)


def test_the_documents_table_has_the_same_rows() -> None:
    text = DOCUMENT.read_text()
    _, _, rest = text.partition("## Writes that do not pass the gate\n")
    rows = re.findall(r"^\| (.+?) \| (prevented|detected|out of scope) \| (.+?) \|$", rest, re.M)
    decided: dict[str, Any] = {name: writer.decision for name, writer in OTHER_WRITERS.items()}
    assert {name: decision for name, decision, _ in rows} == decided
    assert len(rows) == len(decided)
