"""Real MLflow servers on which every attempt of the route table is made over HTTP."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException, RestException
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.utils.workspace_context import WorkspaceContext

from tests.registry.doors import ClientDoor, RawDoor, Refused
from tests.registry.routes import ADMITTED, HOOKS_MAY_BE_LOCAL, ROUTES
from tests.registry.standing import prepare, promoted, strict_policy
from tests.support.databases import Databases
from tests.support.evidence import clean
from tests.support.gate import SOURCE, Gate
from tests.support.mlflow_server import ADMIN, Account, Caller, mlflow_server
from xray_gate.registry.gated_store import WorkspaceGatedStore
from xray_gate.registry.work import RegistryWork

TEAM = "team-a"
MANAGER, EDITOR, READER = Account("manager"), Account("editor"), Account("reader")
ACCOUNTS = {account.name: account for account in (ADMIN, MANAGER, EDITOR, READER)}
_GRANTS = {MANAGER: "MANAGE", EDITOR: "EDIT"}
_OWNED = (
    ("registered_model", "signs"),
    ("registered_model", "signs-production"),
    ("prompt", "greeting"),
)


@dataclass(frozen=True)
class Setting:
    """What a server is started with."""

    auth: bool = False
    workspaces: bool = False


SETTINGS = {
    "plain": Setting(),
    "workspaces": Setting(workspaces=True),
    "auth": Setting(auth=True),
    "auth and workspaces": Setting(auth=True, workspaces=True),
}


@dataclass(frozen=True)
class HttpSite:
    """A server on a prepared registry; `fresh` brings the registry back."""

    address: str
    setting: Setting
    gate: Gate
    folder: Path
    copies: dict[Path, Path]

    def fresh(self) -> None:
        """Bring registry and accounts back to what they were before the first attempt."""
        for path, copy in self.copies.items():
            _copy(copy, path)

    def standing(self) -> set[str]:
        """What stands as admitted, in all workspaces."""
        with self.gate.connection() as connection:
            return set(promoted(connection))

    def caller(self, account: Account | None) -> Caller:
        workspace = TEAM if self.setting.workspaces else None
        return Caller(self.address, account, workspace)

    @contextmanager
    def door(self, kind: str, account: Account | None) -> Iterator[Any]:
        """The registry as a client reaches it."""
        caller = self.caller(account)
        if kind != "client":
            yield RawDoor(kind, caller)
            return
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (account.environment() if account else {}).items():
                patch.setenv(name, value)
            with WorkspaceContext(caller.workspace):
                yield ClientDoor(self.address)


@contextmanager
def http_site(databases: Databases, folder: Path, setting: Setting) -> Iterator[HttpSite]:
    """A server whose registry is that of the route table, with accounts where it has any."""
    database = databases.create("sqlite")
    gate = Gate(database, folder / "policies")
    strict_policy(gate)
    if setting.workspaces:
        _prepare_workspaces(gate)
    else:
        prepare(gate, gate.store)
    server = mlflow_server(
        folder,
        f"xray-gate+{database}",
        backend=database,
        auth="READ" if setting.auth else None,
        workspaces=setting.workspaces,
        environment={"XRAY_GATE_POLICY": str(gate.folder), **HOOKS_MAY_BE_LOCAL},
    )
    with server as address:
        site = HttpSite(address, setting, gate, folder, {})
        files = [Path(database.removeprefix("sqlite:///"))]
        if setting.workspaces:
            admin = Caller(address, ADMIN if setting.auth else None)
            _done(admin("POST", "/api/3.0/mlflow/workspaces", {"name": TEAM}))
        if setting.auth:
            _make_accounts(site)
            files.append(folder / "users.db")
        for path in files:
            site.copies[path] = folder / f"{path.name}.copy"
            _copy(path, site.copies[path])
        yield site
    databases.drop(database)


def _prepare_workspaces(gate: Gate) -> None:
    """In `default` the same names and numbers are all admitted: only the workspace differs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
        plain = WorkspaceAwareSqlAlchemyStore(gate.uri)
        gate.work = RegistryWork(plain.ManagedSessionMaker, gate.ledger, "runner-1")
        store: Any = WorkspaceGatedStore(gate.uri, gate.parts)
        with WorkspaceContext("default"):
            store.create_registered_model("signs")
            for _ in (1, 2, 3):
                store.create_model_version("signs", SOURCE)
                gate.settle(clean())
        with WorkspaceContext(TEAM):
            prepare(gate, store)


def _make_accounts(site: HttpSite) -> None:
    admin = site.caller(ADMIN)
    for account in (MANAGER, EDITOR, READER):
        new = {"username": account.name, "password": account.password}
        _done(admin("POST", "/api/2.0/mlflow/users/create", new))
        for kind, name in _OWNED:
            if account in _GRANTS:
                grant = {
                    "username": account.name,
                    "resource_type": kind,
                    "resource_id": name,
                    "permission": _GRANTS[account],
                }
                _done(admin("POST", "/api/3.0/mlflow/users/permissions/grant", grant))


def _done(answer: Any) -> None:
    assert answer.code in (200, 201), answer


def _copy(source: Path, target: Path) -> None:
    """Copy a SQLite database over another one, also while a server has it open."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        new.execute("PRAGMA synchronous = OFF")
        old.backup(new)


def try_row(site: HttpSite, kind: str, account: Account | None, method: str) -> None:
    """Make the attempts of one row of the table, and see that nothing got past the gate."""
    site.fresh()
    before = site.standing()
    route = ROUTES[method]
    # Whom MLflow itself lets do everything, the gate must stop.
    allowed_by_mlflow, by_client = account in (None, ADMIN), kind == "client"
    with site.door(kind, account) as store:
        for attempt in route.attempts:
            if route.decision in ("gated", "reserved"):
                with pytest.raises(MlflowException) as caught:
                    attempt(store)
                _assert_forbidden(caught.value, by_gate=allowed_by_mlflow, by_client=by_client)
                continue
            try:
                answer = attempt(store)
            except MlflowException as error:
                if allowed_by_mlflow:
                    raise
                _assert_forbidden(error, by_gate=False, by_client=by_client)
                continue
            if route.decision == "filtered":
                assert [int(version) for version in answer] == [ADMITTED]
    after = site.standing()
    assert after <= before
    if route.decision != "free":
        assert after == before


def _assert_forbidden(error: MlflowException, *, by_gate: bool, by_client: bool) -> None:
    told: BaseException | None = error
    while told is not None and not isinstance(told, (Refused, RestException)):
        # MLflow's client wraps what it was told into words of its own,
        told = told.__cause__
    if told is None:
        # or looks before it asks.
        assert by_client, error
        return
    if isinstance(told, Refused):
        assert told.http_status == 403, told
    assert told.error_code == "PERMISSION_DENIED" or not by_gate, told
    message = str(told.message).removeprefix("PERMISSION_DENIED: ")
    assert message.startswith("xray-gate: ") or not by_gate, told
