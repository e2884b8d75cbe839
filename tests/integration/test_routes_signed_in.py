"""Every way past the gate on servers that ask who one is: an administrator is refused as well."""

from collections.abc import Iterator

import pytest

from tests.integration.http_site import ACCOUNTS, SETTINGS, TEAM, HttpSite, http_site, try_row
from tests.integration.test_routes_over_http import CALLS
from tests.registry.doors import RawDoor
from tests.registry.routes import ADMITTED, REFUSED
from tests.support.databases import Databases
from tests.support.mlflow_server import ADMIN, Account
from tests.support.site import xray_gate
from xray_gate.registry.server_probe import ask_server

# Who comes in by which door; all others are slow.
_QUICK = {("client", "manager"), ("ui", "admin")}
_QUICK_IN_A_WORKSPACE = {("rest", "manager")}


def _tries(quick: set[tuple[str, str]]) -> pytest.MarkDecorator:
    tries = [
        pytest.param(kind, name, method, marks=() if (kind, name) in quick else pytest.mark.slow)
        for name in ACCOUNTS
        for kind, method in CALLS
    ]
    return pytest.mark.parametrize(("kind", "name", "method"), tries)


# MLflow's client, of what still works.
pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated since 2.9.0:FutureWarning")
AUTH = pytest.mark.parametrize("site", ["auth"], indirect=True)
WORKSPACES = pytest.mark.parametrize("site", ["auth and workspaces"], indirect=True)
SERVERS = pytest.mark.parametrize("site", ["auth", "auth and workspaces"], indirect=True)


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HttpSite]:
    folder = tmp_path_factory.mktemp("site")
    with http_site(databases, folder, SETTINGS[request.param]) as made:
        yield made


@AUTH
@_tries(_QUICK)
def test_no_account_promotes_what_no_verdict_admits(
    site: HttpSite, kind: str, name: str, method: str
) -> None:
    try_row(site, kind, ACCOUNTS[name], method)


@WORKSPACES
@_tries(_QUICK_IN_A_WORKSPACE)
def test_nor_does_it_in_a_workspace(site: HttpSite, kind: str, name: str, method: str) -> None:
    try_row(site, kind, ACCOUNTS[name], method)


@SERVERS
@pytest.mark.parametrize("name", ["admin", "manager", "editor"])
def test_whom_mlflow_lets_promote_is_stopped_by_the_gate_alone(site: HttpSite, name: str) -> None:
    site.fresh()
    door = RawDoor("rest", site.caller(ACCOUNTS[name]))
    door.set_registered_model_alias("signs", "next", ADMITTED)
    door.transition_model_version_stage("signs", ADMITTED, "Production", False)
    with pytest.raises(Exception, match=r"^xray-gate: .*signs/1 cannot be given the alias"):
        door.set_registered_model_alias("signs", "next", REFUSED)
    with pytest.raises(Exception, match=r"^xray-gate: .*signs/1 cannot be moved to Production"):
        door.transition_model_version_stage("signs", REFUSED, "Production", False)


@SERVERS
def test_who_may_only_read_is_stopped_by_mlflow(site: HttpSite) -> None:
    site.fresh()
    door = RawDoor("rest", site.caller(ACCOUNTS["reader"]))
    with pytest.raises(Exception, match="Permission denied"):
        door.set_registered_model_alias("signs", "next", ADMITTED)


@SERVERS
def test_nobody_gets_in_without_a_name(site: HttpSite) -> None:
    for kind in ("api", "ajax-api"):
        path = f"/{kind}/2.0/mlflow/registered-models/search"
        assert site.caller(None)("GET", path).code == 401


def _doctor(monkeypatch: pytest.MonkeyPatch, account: Account | None, address: str) -> str | None:
    for name, value in (account.environment() if account else {}).items():
        monkeypatch.setenv(name, value)
    return ask_server(address).why_not


@SERVERS
@pytest.mark.parametrize("workspace", [None, TEAM])
def test_doctor_knows_the_gate_as_an_administrator(
    site: HttpSite, monkeypatch: pytest.MonkeyPatch, workspace: str | None
) -> None:
    if workspace is not None and site.setting.workspaces:
        monkeypatch.setenv("MLFLOW_WORKSPACE", workspace)
    assert _doctor(monkeypatch, ADMIN, site.address) is None


@SERVERS
def test_the_command_signs_in_as_mlflows_clients_do(
    site: HttpSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ADMIN.environment().items():
        monkeypatch.setenv(name, value)
    registry = f"xray-gate+{site.gate.uri}"
    ended = xray_gate("doctor", "--registry-uri", registry, "--server", site.address)
    last = ended.stdout.splitlines()[-1]
    assert last == f"ok      server       {site.address}: its registry answers through the gate"


@SERVERS
@pytest.mark.parametrize(
    ("account", "said"),
    [
        (None, "it does not let this account ask (401: "),
        (Account("admin", "not the password"), "it does not let this account ask (401: "),
        (ACCOUNTS["reader"], "it does not let this account ask (403: "),
    ],
    ids=["nobody", "wrong password", "reader"],
)
def test_doctor_says_who_must_sign_in(
    site: HttpSite, monkeypatch: pytest.MonkeyPatch, account: Account | None, said: str
) -> None:
    why_not = _doctor(monkeypatch, account, site.address)
    assert why_not is not None
    assert why_not.startswith(said)
    assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in why_not


@SERVERS
def test_who_may_only_read_writes_to_no_kept_bytes(site: HttpSite) -> None:
    """As MLflow's basic-auth app judges a place that is no experiment's."""
    kept = "/api/2.0/mlflow-artifacts/artifacts/xray-gate-snapshots/sha256-tried/MLmodel"
    assert site.caller(ADMIN)("PUT", kept, raw=b"scanned").code == 200
    for name in ("reader", "editor", "manager"):
        for verb in ("PUT", "DELETE"):
            other = site.caller(ACCOUNTS[name])
            assert other(verb, kept, raw=b"other bytes").code == 403
            ajax = kept.replace("/api/", "/ajax-api/")
            assert other(verb, ajax, raw=b"other bytes").code == 403
    assert site.caller(None)("PUT", kept, raw=b"other bytes").code == 401
    assert site.caller(ADMIN)("GET", kept).body == {"text": "scanned"}
