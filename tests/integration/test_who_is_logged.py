"""Whose name stands in the audit log: MLflow's authenticated user, and nobody's own word."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.http_site import EDITOR, MANAGER, SETTINGS, HttpSite, http_site
from tests.registry.routes import ADMITTED, REFUSED
from tests.support.audit import audit_lines
from tests.support.databases import Databases
from tests.support.gate import SOURCE
from tests.support.mlflow_server import ADMIN, Account, Caller

_ALIAS = "/api/2.0/mlflow/registered-models/alias"
_CREATE = "/api/2.0/mlflow/model-versions/create"


_KINDS = [
    "auth",
    *(pytest.param(k, marks=pytest.mark.slow) for k in ("plain", "auth and workspaces")),
]


@pytest.fixture(scope="module", params=_KINDS)
def site(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HttpSite]:
    folder = tmp_path_factory.mktemp("site")
    with http_site(databases, folder, SETTINGS[request.param]) as made:
        yield made


def ask(caller: Caller, version: int, alias: str = "next") -> int:
    return caller("POST", _ALIAS, {"name": "signs", "alias": alias, "version": str(version)}).code


def logged(site: HttpSite, before: int) -> list[tuple[str, Any]]:
    lines = audit_lines(site.gate)[before:]
    return [(line["event"], line["actor"]) for line in lines if line["via"] == "server"]


def test_each_line_names_who_was_signed_in(site: HttpSite) -> None:
    site.fresh()
    before = len(audit_lines(site.gate))
    who = (ADMIN, MANAGER, EDITOR) if site.setting.auth else (None,)
    expected = list[tuple[str, Any]]()
    for account in who:
        caller, name = site.caller(account), account.name if account else None
        assert ask(caller, REFUSED) == 403
        assert ask(caller, ADMITTED, f"of-{name}") == 200
        assert caller("POST", _CREATE, {"name": "signs", "source": SOURCE}).code == 200
        expected += [("promotion_refused", name), ("promotion_granted", name), ("registered", name)]
    assert logged(site, before) == expected


def test_a_name_that_nobody_checked_is_not_believed(site: HttpSite) -> None:
    """Without the auth app whoever asks can send any header."""
    site.fresh()
    before = len(audit_lines(site.gate))
    liar = Caller(
        site.address,
        Account("eve", "any password"),
        site.caller(None).workspace,
        {"X-Forwarded-User": "eve", "Remote-User": "eve", "X-MLflow-User": "eve"},
    )
    if site.setting.auth:
        assert ask(liar, ADMITTED) == 401
        assert logged(site, before) == []
    else:
        assert ask(liar, ADMITTED) == 200
        assert logged(site, before) == [("promotion_granted", None)]
