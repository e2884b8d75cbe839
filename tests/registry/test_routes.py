"""Every method of MLflow's registry store is tried as a way past the gate."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModelAlias,
)
from sqlalchemy import select

from tests.registry.routes import ADMITTED, ROUTES
from tests.support.evidence import backdoored, clean
from tests.support.gate import Gate, assert_refused


@pytest.fixture
def site(gate: Gate) -> Gate:
    """`signs` has a refused, a waiting and an admitted version; `greeting` is a prompt."""
    bound = {"statistic": "renyi_entropy.unclipped", "bound": 99.0, "source": "nothing passes"}
    gate.set_policy(
        "strict",
        match={"registered_models": ["strict*"]},
        detectors={"model_xray": {"thresholds": [bound]}},
    )
    store = gate.store
    gate.judged(backdoored())
    # The third is scanned before the second, which keeps on waiting.
    gate.register()
    kept_waiting = gate.work.claim()
    gate.judged(clean())
    assert kept_waiting is not None
    store.create_registered_model("signs-production")
    store.set_registered_model_alias("signs", "champion", ADMITTED)
    store.create_prompt("greeting")
    store.create_prompt_version("greeting", "Hello")
    store.set_prompt_alias("greeting", "production", 1)
    return gate


def promoted(gate: Gate) -> Iterator[str]:
    """All that stands as admitted, of all that has files."""
    versions, aliases = SqlModelVersion.__table__, SqlRegisteredModelAlias.__table__
    tags = SqlModelVersionTag.__table__
    with gate.connection() as connection:
        for row in connection.execute(select(versions)):
            if row.name == "greeting" or row.current_stage == STAGE_DELETED_INTERNAL:
                continue
            if row.status == "READY":
                yield f"{row.name}/{row.version} READY at {row.storage_location}"
            if row.current_stage != "None":
                yield f"{row.name}/{row.version} {row.current_stage}"
        for row in connection.execute(select(aliases).where(aliases.c.name != "greeting")):
            yield f"{row.name}/{row.version} {row.alias}"
        for row in connection.execute(select(tags).where(tags.c.key == "xray_gate.verdict")):
            yield f"{row.name}/{row.version} tagged {row.value}"


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_no_method_promotes_what_no_verdict_admits(site: Gate, name: str) -> None:
    route, before = ROUTES[name], set(promoted(site))
    assert before == {
        "signs/3 READY at s3://kept/signs",
        "signs/3 champion",
        "signs/1 tagged failed",
        "signs/3 tagged passed",
    }
    for attempt in route.attempts:
        if route.decision == "free":
            attempt(site.store)
        elif route.decision == "filtered":
            assert attempt(site.store) == [ADMITTED]
        else:
            with assert_refused():
                attempt(site.store)
    # A method that is free may take back, never add.
    assert set(promoted(site)) <= before


def test_whatever_is_tried_first_leaves_the_rest_gated(site: Gate) -> None:
    """One attempt may prepare another: all of them, in the table's order, on one registry."""
    before = set(promoted(site))
    for route in ROUTES.values():
        for attempt in route.attempts:
            with contextlib.suppress(MlflowException):
                attempt(site.store)
            assert set(promoted(site)) <= before


def test_every_decision_has_its_reason() -> None:
    kinds: dict[str, Any] = {}
    for name, route in ROUTES.items():
        assert route.why, name
        kinds.setdefault(route.decision, []).append(name)
    assert sorted(kinds) == ["filtered", "free", "gated", "reserved"]
