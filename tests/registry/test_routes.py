"""Every method of MLflow's registry store is tried as a way past the gate."""

import contextlib
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from tests.registry.routes import ADMITTED, HOOKS_MAY_BE_LOCAL, ROUTES
from tests.registry.standing import EXPECTED, prepare, promoted, strict_policy
from tests.support.gate import Gate, assert_refused


@pytest.fixture
def site(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Gate:
    for name, value in HOOKS_MAY_BE_LOCAL.items():
        monkeypatch.setenv(name, value)
    strict_policy(gate)
    prepare(gate, gate.store)
    return gate


def _promoted(gate: Gate) -> set[str]:
    with gate.connection() as connection:
        return set(promoted(connection))


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_no_method_promotes_what_no_verdict_admits(site: Gate, name: str) -> None:
    route, before = ROUTES[name], _promoted(site)
    assert before == EXPECTED
    for attempt in route.attempts:
        if route.decision == "free":
            attempt(site.store)
        elif route.decision == "filtered":
            assert attempt(site.store) == [ADMITTED]
        else:
            with assert_refused():
                attempt(site.store)
    # A method that is free may take back, never add.
    assert _promoted(site) <= before


def test_whatever_is_tried_first_leaves_the_rest_gated(site: Gate) -> None:
    """One attempt may prepare another: all of them, in the table's order, on one registry."""
    before = _promoted(site)
    for route in ROUTES.values():
        for attempt in route.attempts:
            with contextlib.suppress(MlflowException):
                attempt(site.store)
            assert _promoted(site) <= before


def test_every_decision_has_its_reason() -> None:
    kinds: dict[str, Any] = {}
    for name, route in ROUTES.items():
        assert route.why, name
        kinds.setdefault(route.decision, []).append(name)
    assert sorted(kinds) == ["filtered", "free", "gated", "reserved"]
