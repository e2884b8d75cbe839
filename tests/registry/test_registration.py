import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from tests.support.evidence import backdoored, clean
from tests.support.gate import SOURCE, Gate, assert_refused
from xray_gate.ledger.tables import registrations, verdicts
from xray_gate.registry.gated_store import GatedStore, GateParts
from xray_gate.scan.work import VersionState


@contextmanager
def writes_to_versions(gate: Gate) -> Iterator[list[tuple[str, Any]]]:
    """Every statement that writes MLflow's table of versions, with the status that it sets."""
    seen: list[tuple[str, Any]] = []

    def record(_c: Any, _cursor: Any, statement: str, _p: Any, context: Any, _many: bool) -> None:
        verb, *_ = statement.split(maxsplit=1)
        if verb in ("INSERT", "UPDATE") and "model_versions" in statement.split("(")[0]:
            seen.extend((verb, values.get("status")) for values in context.compiled_parameters)

    sqlalchemy.event.listen(gate.store.engine, "before_cursor_execute", record)
    yield seen
    sqlalchemy.event.remove(gate.store.engine, "before_cursor_execute", record)


def test_a_version_is_pending_from_the_first_instant(gate: Gate) -> None:
    gate.store.create_registered_model("signs")
    with writes_to_versions(gate) as writes:
        version = gate.store.create_model_version("signs", SOURCE)
    assert writes == [("INSERT", "PENDING_REGISTRATION")]
    assert version.status == "PENDING_REGISTRATION"
    assert version.status_message.startswith("xray-gate: waiting for a scan")
    assert gate.plain.get_model_version("signs", 1).status == "PENDING_REGISTRATION"


def test_a_version_waits_in_the_ledger_with_the_place_of_its_files(gate: Gate) -> None:
    gate.register()
    found = gate.registration()
    assert found is not None
    assert (found.state, found.location) == (VersionState.WAITING, SOURCE)


def test_version_and_ledger_are_written_together_or_not_at_all(gate: Gate) -> None:
    gate.store.create_registered_model("signs")

    def fail(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO model_versions"):
            raise RuntimeError("the power went off")

    sqlalchemy.event.listen(gate.store.engine, "before_cursor_execute", fail)
    with pytest.raises(Exception, match="the power went off"):
        gate.store.create_model_version("signs", SOURCE)
    sqlalchemy.event.remove(gate.store.engine, "before_cursor_execute", fail)
    assert gate.registration() is None
    assert gate.plain.search_model_versions("name = 'signs'") == []


def test_a_name_without_a_policy_fails_at_once_and_says_what_to_do(gate: Gate) -> None:
    with_policy = gate.register("signs-v2")
    version = gate.register("cats")
    assert with_policy.status == "PENDING_REGISTRATION"
    assert version.status == "FAILED_REGISTRATION"
    assert version.status_message == (
        "xray-gate: no policy matches the registered model 'cats'; ask the platform team to add "
        "it to match.registered_models of a policy"
    )
    found = gate.registration("cats")
    assert found is not None
    assert found.state is VersionState.REFUSED


def test_the_policys_names_match_without_regard_to_case(gate: Gate) -> None:
    assert gate.register("SIGNS").status == "PENDING_REGISTRATION"


@pytest.mark.parametrize("text", ["name: [", "apiVersion: xray-gate/v2", ""])
def test_a_broken_policy_admits_nothing(gate: Gate, text: str) -> None:
    before = gate.admitted()
    (gate.folder / "images.yaml").write_text(text)
    version = gate.register()
    assert version.status == "FAILED_REGISTRATION"
    assert version.status_message.startswith("xray-gate: the server's policies cannot be used")
    with assert_refused("the server's policies cannot be used"):
        gate.store.set_registered_model_alias("signs", "champion", before.version)


def test_a_second_broken_policy_stops_the_first_one_too(gate: Gate) -> None:
    """Half of the policies could hold the stricter one for a name."""
    (gate.folder / "other.yaml").write_text("nothing: useful\n")
    assert gate.register().status == "FAILED_REGISTRATION"


def test_policies_that_vanish_admit_nothing(gate: Gate) -> None:
    before = gate.admitted()
    (gate.folder / "images.yaml").unlink()
    assert gate.register().status == "FAILED_REGISTRATION"
    with assert_refused("holds no policy"):
        gate.store.set_registered_model_alias("signs", "champion", before.version)


def test_a_store_can_be_opened_while_its_policies_are_broken(gate: Gate) -> None:
    (gate.folder / "images.yaml").write_text("name: [")
    again = GatedStore(gate.uri, gate.parts)
    again.create_registered_model("signs")
    version = again.create_model_version("signs", SOURCE)
    assert version.status == "FAILED_REGISTRATION"


def test_a_pending_version_says_when_no_runner_is_there(gate: Gate) -> None:
    version = gate.register()
    assert version.status_message == (
        "xray-gate: waiting for a scan, but no runner has been seen yet. "
        "Ask the platform team to start `xray-gate runner`."
    )
    gate.work.heartbeat()
    message = gate.store.get_model_version("signs", 1).status_message
    assert message == "xray-gate: waiting for a scan."


def test_a_pending_version_says_how_long_the_runners_have_been_silent(
    database: str, tmp_path: Path
) -> None:
    gate = Gate(database, tmp_path / "policies", clock=lambda: time.time() + 600)
    gate.work.heartbeat()
    message = gate.register().status_message
    assert "no runner has been seen for 10 min" in message


@pytest.mark.parametrize(
    ("evidence", "status"), [(clean, "READY"), (backdoored, "FAILED_REGISTRATION")]
)
def test_a_quick_verdict_comes_with_the_registration(
    gate: Gate, evidence: Any, status: str
) -> None:
    store: Any = GatedStore(gate.uri, GateParts(gate.ledger, gate.parts.policies, wait_seconds=20))
    store.create_registered_model("signs")
    done = threading.Event()

    def runner() -> None:
        while not done.is_set():
            found = gate.registration()
            if found is not None:
                gate.settle(evidence())
                return
            time.sleep(0.02)

    thread = threading.Thread(target=runner)
    thread.start()
    try:
        version = store.create_model_version("signs", SOURCE)
    finally:
        done.set()
        thread.join()
    assert version.status == status


def test_the_wait_for_a_verdict_is_bounded(gate: Gate) -> None:
    store: Any = GatedStore(gate.uri, GateParts(gate.ledger, gate.parts.policies, wait_seconds=0.3))
    store.create_registered_model("signs")
    started = time.monotonic()
    version = store.create_model_version("signs", SOURCE)
    assert 0.3 <= time.monotonic() - started < 5
    assert version.status == "PENDING_REGISTRATION"


def test_a_name_that_is_deleted_and_made_again_starts_anew(gate: Gate) -> None:
    gate.admitted()
    gate.store.delete_registered_model("signs")
    version = gate.register()
    assert (int(version.version), version.status) == (1, "PENDING_REGISTRATION")
    with gate.connection() as connection:
        states = connection.execute(
            sqlalchemy.select(registrations.c.state).order_by(registrations.c.id)
        ).scalars()
        assert list(states) == ["deleted", "waiting"]
        kept = sqlalchemy.select(sqlalchemy.func.count()).select_from(verdicts)
        assert connection.execute(kept).scalar() == 1


def test_the_servers_policies_are_written_down_for_the_runners(gate: Gate) -> None:
    gate.set_policy(min_probe_accuracy=0.93)
    gate.register()
    with gate.connection() as connection:
        policy = gate.ledger.server_policies(connection).match("signs")
    assert policy is not None
    assert policy.document.min_probe_accuracy == 0.93


def test_writes_past_the_sessions_flush_are_refused(gate: Gate) -> None:
    from mlflow.store.model_registry.dbmodels.models import (
        SqlModelVersion,
        SqlRegisteredModelAlias,
    )

    gate.register()
    row = {"workspace": "default", "name": "signs", "alias": "champion", "version": 1}
    for statement in (
        sqlalchemy.update(SqlModelVersion).values(status="READY"),
        sqlalchemy.insert(SqlRegisteredModelAlias).values(**row),
    ):
        with (
            assert_refused("a bulk write"),
            gate.store.ManagedSessionMaker(read_only=False) as session,
        ):
            session.execute(statement)
    assert gate.store.get_model_version("signs", 1).status == "PENDING_REGISTRATION"
    assert gate.store.get_registered_model("signs").aliases == {}


def test_concurrent_registrations_of_one_name_all_wait(gate: Gate) -> None:
    gate.store.create_registered_model("signs")
    start = threading.Barrier(2)
    problems: list[BaseException] = []

    def register() -> None:
        start.wait()
        try:
            gate.store.create_model_version("signs", SOURCE)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=register) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with gate.connection() as connection:
        found = gate.ledger.registrations_of(connection, "default", "signs", None)
    assert [(item.key.version, item.state.value) for item in found] == [
        (2, "waiting"),
        (1, "waiting"),
    ]


def test_a_version_without_a_policy_has_its_reason_in_the_ledger(gate: Gate) -> None:
    gate.register("unknown")
    registration = gate.registration("unknown")
    assert registration is not None
    with gate.connection() as connection:
        recorded = gate.ledger.newest_verdict(connection, registration)
    assert recorded is not None
    assert recorded.verdict == "undecided"
    assert "no policy matches" in recorded.reasons[0]


def test_a_waiting_client_lets_the_runner_know_of_a_changed_policy(gate: Gate) -> None:
    gate.set_policy(enforcement="audit")
    version = gate.register()
    gate.set_policy(enforcement="enforce")
    gate.store.get_model_version("signs", version.version)
    gate.settle(backdoored())
    assert gate.store.get_model_version("signs", version.version).status == "FAILED_REGISTRATION"
