"""Every way past the gate, over HTTP: MLflow's REST API, its pages' calls and its Python client."""

import contextlib
from collections.abc import Iterator

import pytest
from mlflow.exceptions import MlflowException

from tests.integration.http_site import SETTINGS, TEAM, HttpSite, http_site, try_row
from tests.registry.beside import BESIDE, FORGED
from tests.registry.doors import DOORS, NOT_THE_CLIENTS, RawDoor, spoken
from tests.registry.endpoints import Endpoint
from tests.registry.routes import ROUTES
from tests.support.databases import Databases
from xray_gate.registry.server_probe import ask_server

TRIED = sorted(method for method, route in ROUTES.items() if route.attempts)
CALLS = [
    (kind, method)
    for kind in DOORS
    for method in TRIED
    if kind != "client" or method not in NOT_THE_CLIENTS
]


# MLflow's client, of what still works.
pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated since 2.9.0:FutureWarning")


PLAIN = pytest.mark.parametrize("site", ["plain"], indirect=True)
WORKSPACES = pytest.mark.parametrize("site", ["workspaces"], indirect=True)
SERVERS = pytest.mark.parametrize("site", ["plain", "workspaces"], indirect=True)


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HttpSite]:
    folder = tmp_path_factory.mktemp("site")
    with http_site(databases, folder, SETTINGS[request.param]) as made:
        yield made


@PLAIN
@pytest.mark.parametrize(("kind", "method"), CALLS)
def test_no_call_promotes_what_no_verdict_admits(site: HttpSite, kind: str, method: str) -> None:
    try_row(site, kind, None, method)


# All doors lead to the same store, which the workspace is asked of.
@WORKSPACES
@pytest.mark.parametrize(
    ("kind", "method"),
    [pytest.param(*one, marks=() if one[0] == "rest" else pytest.mark.slow) for one in CALLS],
)
def test_nor_does_it_in_a_workspace(site: HttpSite, kind: str, method: str) -> None:
    try_row(site, kind, None, method)


@pytest.mark.parametrize(
    "site", ["plain", pytest.param("workspaces", marks=pytest.mark.slow)], indirect=True
)
@pytest.mark.parametrize("endpoint", sorted(BESIDE), ids=lambda one: f"{one.verb} {one.path}")
def test_no_request_beside_them_does(site: HttpSite, endpoint: Endpoint) -> None:
    site.fresh()
    beside, before = BESIDE[endpoint], site.standing()
    for attempt in beside.attempts:
        answer = attempt(site.caller(None))
        if beside.decision == "gated":
            assert answer.code == 403, answer
            assert answer.message.startswith("xray-gate: signs/")
        else:
            assert answer.code < 500, answer
    assert site.standing() <= before


@PLAIN
@pytest.mark.parametrize("prefix", ["/api", "/ajax-api"])
def test_no_forged_body_promotes(site: HttpSite, prefix: str) -> None:
    site.fresh()
    before = site.standing()
    for verb, call, body in FORGED:
        answer = site.caller(None)(verb, f"{prefix}/2.0/mlflow/{call}", body)
        assert site.standing() == before, (verb, call, body, answer)


@PLAIN
@pytest.mark.parametrize("kind", ["rest", pytest.param("ui", marks=pytest.mark.slow)])
def test_every_call_was_made_and_none_prepared_another(site: HttpSite, kind: str) -> None:
    """All attempts in the table's order, on one registry."""
    site.fresh()
    before, door = site.standing(), RawDoor(kind, site.caller(None))
    for route in ROUTES.values():
        for attempt in route.attempts:
            with contextlib.suppress(MlflowException):
                attempt(door)
            assert site.standing() <= before
    assert door.asked == {endpoint for call in spoken(kind).values() for endpoint in call}


@SERVERS
@pytest.mark.parametrize("workspace", [None, TEAM])
def test_doctor_knows_the_gate(
    site: HttpSite, monkeypatch: pytest.MonkeyPatch, workspace: str | None
) -> None:
    if workspace is not None and site.setting.workspaces:
        monkeypatch.setenv("MLFLOW_WORKSPACE", workspace)
    assert ask_server(site.address).why_not is None
