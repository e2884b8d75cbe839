"""A second MLflow server, without the plugin, on a registry whose database has the triggers."""

from collections.abc import Iterator

import pytest
from mlflow.exceptions import MlflowException

from tests.registry.doors import RawDoor
from tests.registry.routes import ADMITTED, HOOKS_MAY_BE_LOCAL, REFUSED, ROUTES
from tests.registry.standing import prepare, promoted
from tests.support.databases import Databases
from tests.support.gate import Gate
from tests.support.mlflow_server import Caller, mlflow_server
from xray_gate.registry.server_probe import ask_server


@pytest.fixture(scope="module")
def gate(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    database = databases.create("sqlite")
    made = Gate(database, tmp_path_factory.mktemp("policies"), triggers=True)
    prepare(made, made.store)
    yield made
    databases.drop(database)


@pytest.fixture(scope="module")
def address(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("second")
    with mlflow_server(
        folder, gate.uri, backend=gate.uri, environment=HOOKS_MAY_BE_LOCAL
    ) as started:
        yield started


def _standing(gate: Gate) -> set[str]:
    with gate.connection() as connection:
        # Tags are for people to see; nothing is decided from them.
        return {what for what in promoted(connection) if " tagged " not in what}


def test_it_can_be_used(gate: Gate, address: str) -> None:
    door = RawDoor("rest", Caller(address))
    door.set_registered_model_alias("signs", "next", ADMITTED)
    assert "signs/3 next" in _standing(gate)
    door.delete_registered_model_alias("signs", "next")


def test_it_says_why_it_does_not_promote(address: str) -> None:
    door = RawDoor("rest", Caller(address))
    with pytest.raises(MlflowException, match="xray-gate: the ledger admits no such version"):
        door.set_registered_model_alias("signs", "next", REFUSED)


def test_on_sqlite_it_says_not_why_it_does_not_register(address: str) -> None:
    """MLflow takes the trigger's error for a clash of numbers, and keeps it to itself."""
    door = RawDoor("rest", Caller(address))
    with pytest.raises(MlflowException, match="Giving up after 3 attempts"):
        door.create_model_version("signs", "s3://models/other")


def test_doctor_does_not_take_it_for_the_gate(address: str) -> None:
    why_not = ask_server(address).why_not
    assert why_not is not None
    assert why_not.startswith("its registry works without the gate (404: ")


def test_no_call_of_the_table_promotes_through_it(gate: Gate, address: str) -> None:
    before, door = _standing(gate), RawDoor("rest", Caller(address))
    answered = 0
    for route in ROUTES.values():
        for attempt in route.attempts:
            try:
                attempt(door)
                answered += 1
            except MlflowException:
                pass
            assert _standing(gate) <= before
    # What is free, and takes back, works as ever.
    assert answered > 10
