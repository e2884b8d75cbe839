"""The database itself refuses what no verdict admits, and lets the gate do all that it allows."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from mlflow.entities.model_registry import RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.utils.workspace_context import WorkspaceContext
from sqlalchemy.exc import DBAPIError

from tests.support.evidence import backdoored, clean, unscannable
from tests.support.gate import KEPT, SOURCE, Gate
from xray_gate.core.verdict import Decision, Enforcement, Excuse, Verdict
from xray_gate.registry.gated_store import WorkspaceGatedStore
from xray_gate.registry.revoking import revoke
from xray_gate.registry.work import RegistryWork
from xray_gate.scan.work import VersionKey, VersionState


@pytest.fixture
def gate(database: str, tmp_path: Path) -> Gate:
    return Gate(database, tmp_path / "policies", triggers=True)


@contextmanager
def refused(words: str = "xray-gate: ") -> Iterator[None]:
    """The write fails in the triggers' words; MLflow puts its own around them."""
    with pytest.raises((MlflowException, DBAPIError), match=words):
        yield


# On SQLite a trigger fails as a constraint does, for which MLflow tries again and then forgets why.
REFUSED_INSERT = "xray-gate: |Giving up after 3 attempts"


def sql(gate: Gate, statement: str, **values: Any) -> Any:
    with gate.connection() as connection:
        return connection.execute(sqlalchemy.text(statement), values).rowcount


def value(gate: Gate, question: str) -> Any:
    with gate.connection() as connection:
        return connection.execute(sqlalchemy.text(question)).scalar()


def snapshot(gate: Gate) -> list[Any]:
    """What the registry and the ledger say of versions."""
    with gate.connection() as connection:
        return [
            connection.execute(sqlalchemy.text(question)).all()
            for question in (
                "SELECT name, version, status, current_stage, source, storage_location "
                "FROM model_versions ORDER BY name, version",
                "SELECT name, alias, version FROM registered_model_aliases ORDER BY name, alias",
                "SELECT id, name, version, location, state FROM xray_gate_registrations "
                "ORDER BY id",
                "SELECT id, registration_id, admits FROM xray_gate_verdicts ORDER BY id",
            )
        ]


def waiting(gate: Gate) -> None:
    gate.register()


def failed(gate: Gate) -> None:
    gate.judged(backdoored())


def undecided(gate: Gate) -> None:
    gate.judged(unscannable())


def from_before(gate: Gate) -> None:
    gate.unscanned()


NOT_ADMITTED = [waiting, failed, undecided, from_before]


@pytest.mark.parametrize("make", NOT_ADMITTED)
def test_a_server_without_the_plugin_promotes_nothing_that_is_not_admitted(
    gate: Gate, make: Callable[[Gate], None]
) -> None:
    make(gate)
    before = snapshot(gate)
    with refused():
        gate.plain.set_registered_model_alias("signs", "champion", 1)
    for stage in ("Staging", "Production"):
        with refused():
            gate.plain.transition_model_version_stage("signs", 1, stage, False)
    with refused(REFUSED_INSERT):
        gate.plain.create_model_version("signs", "s3://models/other")
    with refused(REFUSED_INSERT):
        gate.plain.create_model_version("signs", SOURCE)
    assert snapshot(gate) == before


CHANGES = (
    "status = 'READY'",
    "status = 'ready'",
    "status = NULL",
    "current_stage = 'Production'",
    "current_stage = 'Staging'",
    "current_stage = 'production'",
    "status = 'READY', current_stage = 'Production', source = 's3://x'",
    "status = 'READY', source = NULL, storage_location = NULL",
)


@pytest.mark.parametrize("make", [waiting, failed, undecided])
def test_a_statement_promotes_nothing_that_is_not_admitted(
    gate: Gate, make: Callable[[Gate], None]
) -> None:
    make(gate)
    before = snapshot(gate)
    for change in CHANGES:
        with refused():
            sql(gate, f"UPDATE model_versions SET {change}")
    assert snapshot(gate) == before


INSERT = (
    "INSERT INTO model_versions (workspace, name, version, source, storage_location, status, "
    "current_stage) VALUES ('default', 'signs', :version, 's3://evil', :place, :status, :stage)"
)


PROMOTED = (
    ("READY", "None"),
    (None, None),
    ("PENDING_REGISTRATION", "Production"),
    ("READY", "Staging"),
)


@pytest.mark.parametrize("place", ["s3://evil", None, ""])
def test_no_version_is_inserted_as_promoted(gate: Gate, place: str | None) -> None:
    gate.admitted()
    for status, stage in PROMOTED:
        with refused():
            sql(gate, INSERT, version=2, status=status, stage=stage, place=place)
    assert value(gate, "SELECT count(*) FROM model_versions") == 1


def test_an_insert_that_replaces_promotes_nothing(gate: Gate) -> None:
    """SQLite's way to write over a row tells no trigger that the old one is gone."""
    gate.admitted()
    gate.store.set_registered_model_alias("signs", "champion", 1)
    replace = (
        INSERT.replace("INSERT", "INSERT OR REPLACE", 1)
        if gate.uri.startswith("sqlite")
        else INSERT
        + " ON CONFLICT (workspace, name, version) DO UPDATE SET storage_location = 's3://evil'"
    )
    values = {"version": 1, "stage": "None", "place": "s3://evil"}
    for status in ("READY", "PENDING_REGISTRATION"):
        with refused():
            sql(gate, replace, status=status, **values)
    if gate.uri.startswith("sqlite"):
        ignore = INSERT.replace("INSERT", "INSERT OR IGNORE", 1)
        with refused():
            sql(gate, ignore, **{**values, "version": 2}, status="READY")
    assert value(gate, "SELECT storage_location FROM model_versions") == KEPT


def test_an_admission_is_for_its_place_only(gate: Gate) -> None:
    gate.admitted()
    gate.store.set_registered_model_alias("signs", "champion", 1)
    before = snapshot(gate)
    for change in ("storage_location = 's3://evil'", "storage_location = NULL, source = 's3://x'"):
        with refused():
            sql(gate, f"UPDATE model_versions SET {change}")
    assert snapshot(gate) == before


def test_an_alias_is_not_moved_to_what_is_not_admitted(gate: Gate) -> None:
    gate.admitted()
    gate.judged(backdoored())
    gate.admitted("signs-2")
    gate.store.set_registered_model_alias("signs", "champion", 1)
    before = snapshot(gate)
    with refused():
        gate.plain.set_registered_model_alias("signs", "champion", 2)
    with refused():
        sql(gate, "UPDATE registered_model_aliases SET version = 2")
    with refused():
        sql(gate, "UPDATE registered_model_aliases SET version = 3")
    with refused():
        sql(gate, "UPDATE registered_model_aliases SET name = 'signs-2', version = 2")
    assert snapshot(gate) == before
    gate.plain.delete_registered_model_alias("signs", "champion")


def test_no_alias_waits_for_a_version_to_come(gate: Gate) -> None:
    gate.admitted()
    alias = "INSERT INTO registered_model_aliases VALUES ('default', 'signs', 'champion', 2)"
    columns = "registered_model_aliases (workspace, name, alias, version)"
    with refused():
        sql(gate, alias.replace("registered_model_aliases", columns))
    with gate.without_triggers():
        sql(gate, alias.replace("registered_model_aliases", columns))
    # One from before the triggers: the version that would inherit it is not made.
    with pytest.raises(MlflowException):
        gate.store.create_model_version("signs", SOURCE)


@pytest.mark.parametrize("same_place", [True, False])
def test_a_name_that_is_used_again_inherits_no_admission(gate: Gate, same_place: bool) -> None:
    """The name is deleted and used again where the gate sees nothing of it."""
    gate.admitted()
    gate.plain.delete_registered_model("signs")
    gate.plain.create_registered_model("signs")
    place = SOURCE if same_place else "s3://evil"
    with refused(REFUSED_INSERT):
        gate.plain.create_model_version("signs", place)
    values = {"version": 1, "stage": "None", "place": place}
    sql(gate, INSERT, **values, status="PENDING_REGISTRATION")
    with refused():
        sql(gate, "UPDATE model_versions SET status = 'READY'")
    with refused():
        gate.plain.set_registered_model_alias("signs", "champion", 1)


def test_a_name_that_was_deleted_before_the_triggers_is_not_inherited(gate: Gate) -> None:
    gate.admitted()
    gate.admitted("signs-2")
    with gate.without_triggers():
        gate.plain.delete_registered_model("signs")
    gate.plain.create_registered_model("signs")
    with refused(REFUSED_INSERT):
        gate.plain.create_model_version("signs", SOURCE)
    gate.plain.set_registered_model_alias("signs-2", "champion", 1)


def test_a_deleted_version_does_not_come_back(gate: Gate) -> None:
    gate.admitted()
    gate.plain.delete_model_version("signs", 1)
    found = gate.registration()
    assert found is not None
    assert found.state is VersionState.DELETED
    with refused():
        sql(gate, "UPDATE model_versions SET current_stage = 'None'")


def test_an_admitted_version_is_not_renamed_past_the_gate(gate: Gate) -> None:
    gate.admitted()
    before = snapshot(gate)
    with refused():
        gate.plain.rename_registered_model("signs", "anything")
    assert snapshot(gate) == before


def test_a_rename_past_the_gate_ends_what_the_ledger_knew(gate: Gate) -> None:
    gate.judged(backdoored())
    gate.register()
    gate.plain.rename_registered_model("signs", "anything")
    for version in (1, 2):
        found = gate.registration("signs", version)
        assert found is not None
        assert found.state is VersionState.DELETED
        assert gate.registration("anything", version) is None
    assert gate.work.claim() is None


@pytest.mark.parametrize("table", ["scans", "verdicts", "revocations"])
def test_evidence_verdicts_and_withdrawals_only_grow(gate: Gate, table: str) -> None:
    gate.judged(backdoored())
    sql(
        gate,
        "INSERT INTO xray_gate_revocations (digest, reason, revoked_by, created_at) "
        "VALUES ('sha256:ab', 'stolen data', 'ann', 0)",
    )
    changes = {"scans": "evidence = ''", "verdicts": "admits = 1", "revocations": "digest = ''"}
    with refused():
        sql(gate, f"UPDATE xray_gate_{table} SET {changes[table]}")
    with refused():
        sql(gate, f"DELETE FROM xray_gate_{table}")
    if not gate.uri.startswith("sqlite"):
        with refused():
            sql(gate, f"TRUNCATE xray_gate_{table}")
    assert value(gate, f"SELECT count(*) FROM xray_gate_{table}") == 1


def test_what_a_verdict_no_longer_admits_is_refused(gate: Gate) -> None:
    gate.admitted()
    sql(
        gate,
        "INSERT INTO xray_gate_verdicts (registration_id, verdict, admits, reasons, policy_name, "
        "policy_digest, created_at) VALUES (1, 'failed', 0, '[]', 'images', '', 0)",
    )
    with refused():
        gate.plain.set_registered_model_alias("signs", "champion", 1)


# What the gate allows goes on as if there were no triggers.


def test_an_admitted_version_is_promoted_by_every_server(gate: Gate) -> None:
    gate.admitted()
    gate.admitted()
    for store, version in ((gate.store, 1), (gate.plain, 2)):
        store.set_registered_model_alias("signs", "champion", version)
        store.transition_model_version_stage("signs", version, "Production", True)
    stages = [gate.plain.get_model_version("signs", v).current_stage for v in (1, 2)]
    assert stages == ["Archived", "Production"]


def test_a_version_from_before_the_gate_stays_as_it_is_and_can_leave(gate: Gate) -> None:
    gate.unscanned()
    with gate.without_triggers():
        gate.plain.transition_model_version_stage("signs", 1, "Production", False)
        gate.plain.set_registered_model_alias("signs", "champion", 1)
    gate.store.update_model_version("signs", 1, "what it is for")
    gate.store.transition_model_version_stage("signs", 1, "Archived", False)
    gate.store.delete_registered_model_alias("signs", "champion")
    gate.store.delete_model_version("signs", 1)
    gate.store.delete_registered_model("signs")


def test_copies_and_renames_of_the_gate_keep_their_admission(gate: Gate) -> None:
    original = gate.admitted()
    assert gate.store.copy_model_version(original, "signs-2").status == "READY"
    gate.store.set_registered_model_alias("signs", "champion", 1)
    gate.store.transition_model_version_stage("signs", 1, "Production", False)
    gate.judged(backdoored())
    gate.store.rename_registered_model("signs", "signs-3")
    gate.plain.set_registered_model_alias("signs-3", "challenger", 1)
    assert gate.store.get_model_version("signs-3", 1).aliases == ["challenger", "champion"]
    with refused():
        gate.plain.set_registered_model_alias("signs-3", "challenger", 2)


def test_what_a_policy_leaves_free_is_set_by_the_gate_and_by_nobody_else(gate: Gate) -> None:
    gate.set_policy(promotion={"free_aliases": ["dev"], "stages": ["Production"]})
    gate.register()
    gate.register()
    gate.store.set_registered_model_alias("signs", "dev", 1)
    gate.store.transition_model_version_stage("signs", 1, "Staging", False)
    gate.store.rename_registered_model("signs", "signs-2")
    assert gate.store.get_model_version("signs-2", 1).aliases == ["dev"]
    assert value(gate, "SELECT count(*) FROM xray_gate_free_promotions") == 0
    with refused():
        gate.plain.set_registered_model_alias("signs-2", "dev", 2)
    with refused():
        gate.plain.transition_model_version_stage("signs-2", 2, "Staging", False)


def test_a_write_that_fails_leaves_nothing_free(gate: Gate) -> None:
    gate.set_policy(promotion={"free_aliases": ["dev"]})
    gate.register()
    gate.register("signs-2")
    gate.store.set_registered_model_alias("signs", "dev", 1)
    with pytest.raises(MlflowException, match="already exists"):
        gate.store.rename_registered_model("signs", "signs-2")
    assert value(gate, "SELECT count(*) FROM xray_gate_free_promotions") == 0


@pytest.mark.parametrize("mode", ["audit", "warn"])
def test_what_a_trial_admits_is_promoted(gate: Gate, mode: str) -> None:
    gate.set_policy(enforcement=mode)
    assert gate.judged(backdoored()).status == "READY"
    gate.store.set_registered_model_alias("signs", "champion", 1)


def test_a_loosened_policys_admission_is_written_down(gate: Gate) -> None:
    gate.judged(backdoored())
    with refused():
        gate.plain.set_registered_model_alias("signs", "champion", 1)
    thresholds = [{"statistic": "renyi_entropy.unclipped", "bound": 0.1, "source": "a new bound"}]
    gate.set_policy(detectors={"model_xray": {"thresholds": thresholds}})
    gate.store.set_registered_model_alias("signs", "champion", 1)
    registration = gate.registration()
    assert registration is not None
    with gate.connection() as connection:
        verdicts = gate.ledger.verdicts(connection, registration)
    assert [(row.verdict, row.admits) for row in verdicts] == [("passed", True), ("failed", False)]
    assert registration.state is VersionState.ADMITTED


@pytest.mark.parametrize("store", ["store", "plain"])
def test_prompts_live_as_if_there_were_no_triggers(gate: Gate, store: str) -> None:
    prompts = getattr(gate, store)
    prompts.create_prompt("greeting")
    for template in ("Hello", "Good day"):
        prompts.create_prompt_version("greeting", template)
    prompts.set_prompt_alias("greeting", "production", 1)
    prompts.set_prompt_alias("greeting", "production", 2)
    prompts.rename_registered_model("greeting", "welcome")
    assert prompts.get_prompt_version_by_alias("welcome", "production").template == "Good day"
    prompts.delete_prompt_version("welcome", 2)
    prompts.delete_prompt("welcome")


def test_a_model_does_not_pass_as_a_prompt(gate: Gate) -> None:
    gate.plain.create_registered_model(
        "signs", tags=[RegisteredModelTag(IS_PROMPT_TAG_KEY, "true")]
    )
    with refused(REFUSED_INSERT):
        gate.plain.create_model_version("signs", SOURCE)
    insert = INSERT.replace("'s3://evil'", "'dummy-source'")
    values = {"version": 1, "status": "READY", "stage": "None"}
    with refused():
        sql(gate, insert, **values, place=SOURCE)
    sql(gate, insert, **values, place="dummy-source")
    with refused():
        sql(gate, "UPDATE model_versions SET storage_location = 's3://evil'")
    gate.plain.create_registered_model("no-prompt")
    with refused(REFUSED_INSERT):
        gate.plain.create_model_version("no-prompt", "dummy-source")


def test_each_workspace_has_its_own_admissions(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    plain = WorkspaceAwareSqlAlchemyStore(gate.uri)
    gate.work = RegistryWork(plain.ManagedSessionMaker, gate.ledger, "runner-1")
    store: Any = WorkspaceGatedStore(gate.uri, gate.parts)
    for team in ("team-a", "team-b"):
        with WorkspaceContext(team):
            store.create_registered_model("signs")
            store.create_model_version("signs", SOURCE)
    gate.settle(clean())
    with WorkspaceContext("team-a"):
        plain.set_registered_model_alias("signs", "champion", 1)
    with WorkspaceContext("team-b"), refused():
        plain.set_registered_model_alias("signs", "champion", 1)
    with WorkspaceContext("team-c"):
        plain.create_registered_model("signs")
    move = "UPDATE model_versions SET workspace = 'team-c' WHERE workspace = 'team-a'"
    with refused():
        sql(gate, move)


@pytest.fixture
def guest(postgres_database: str, tmp_path: Path) -> Iterator[tuple[Gate, sqlalchemy.Connection]]:
    """A connection to PostgreSQL whose role may write MLflow's tables and no more."""
    gate = Gate(postgres_database, tmp_path / "policies", triggers=True)
    role = "xray_gate_guest"
    with gate.plain.engine.connect() as connection:
        for statement in (
            f"CREATE ROLE {role}",
            f"GRANT ALL ON registered_models, model_versions, registered_model_aliases TO {role}",
        ):
            connection.execute(sqlalchemy.text(statement))
        connection.commit()
        connection.execute(sqlalchemy.text(f"SET ROLE {role}"))
        yield gate, connection
        connection.rollback()
        for statement in ("RESET ROLE", f"DROP OWNED BY {role}", f"DROP ROLE {role}"):
            connection.execute(sqlalchemy.text(statement))
        connection.commit()


def _tried(connection: sqlalchemy.Connection, statement: str) -> None:
    with connection.begin_nested():
        connection.execute(sqlalchemy.text(statement))


def test_a_role_without_the_ledger_promotes_only_what_is_admitted(
    guest: tuple[Gate, sqlalchemy.Connection],
) -> None:
    gate, connection = guest
    gate.admitted()
    gate.judged(backdoored())
    ready = "UPDATE model_versions SET current_stage = 'Production' WHERE version = {}"
    _tried(connection, ready.format(1))
    # Its own temporary tables do not stand in for the ledger's.
    _tried(
        connection,
        "CREATE TEMPORARY TABLE xray_gate_free_promotions AS SELECT 'default' AS workspace, "
        "'signs' AS name, 2 AS version, 'stage' AS kind, 'Production' AS value",
    )
    with refused():
        _tried(connection, ready.format(2))
    free = "public.xray_gate_free_promotions (workspace, name, version, kind, value)"
    with refused("permission denied"):
        _tried(connection, f"INSERT INTO {free} VALUES ('default', 'signs', 2, 'stage', 'x')")
    with refused("must be owner"):
        _tried(connection, "DROP TRIGGER xray_gate_version_check ON model_versions")
    # A version that it deletes is closed in the ledger, which it cannot write.
    _tried(connection, "UPDATE model_versions SET current_stage = 'Deleted_Internal'")
    connection.commit()
    found = gate.registration()
    assert found is not None
    assert found.state is VersionState.DELETED


def test_what_is_refused_is_kept_though_it_has_a_free_alias(gate: Gate) -> None:
    """Its files move to the gate's place, which to a trigger looks like new ones under an alias."""
    gate.set_policy(promotion={"free_aliases": ["dev"]})
    gate.register()
    gate.store.set_registered_model_alias("signs", "dev", 1)
    gate.settle(backdoored())
    version = gate.store.get_model_version("signs", 1)
    assert (version.status, version.aliases) == ("FAILED_REGISTRATION", ["dev"])
    assert value(gate, "SELECT storage_location FROM model_versions") == KEPT
    assert value(gate, "SELECT count(*) FROM xray_gate_free_promotions") == 0


def test_a_withdrawn_version_is_refused_by_the_database_too(gate: Gate) -> None:
    gate.admitted()
    key = VersionKey("default", "signs", 1)
    revoke(gate.plain.ManagedSessionMaker, gate.ledger, key, "stolen data", "ann", 0.0)
    with refused():
        gate.plain.set_registered_model_alias("signs", "champion", 1)


def test_a_promotion_past_the_gate_and_a_withdrawal_do_not_cross(gate: Gate) -> None:
    gate.admitted()
    key, found = VersionKey("default", "signs", 1), list[Any]()
    maker = gate.plain.ManagedSessionMaker

    def withdraw() -> None:
        found.extend(revoke(maker, gate.ledger, key, "stolen data", "ann", 0.0)[1])

    insert = (
        "INSERT INTO registered_model_aliases (workspace, name, alias, version) "
        "VALUES ('default', 'signs', 'champion', 1)"
    )
    with gate.connection() as connection:
        connection.execute(sqlalchemy.text(insert))
        thread = threading.Thread(target=withdraw)
        thread.start()
        thread.join(timeout=0.5)
        assert found == []
    thread.join(timeout=30)
    assert [one.aliases for one in found] == [("champion",)]


def test_what_exceptions_admitted_is_refused_when_the_first_of_them_has_ended(gate: Gate) -> None:
    now = time.time()
    decision = Decision(Verdict.FAILED, ("found",), (), Enforcement.ENFORCE)
    for name, until in (("signs-ended", now - 5), ("signs-lasting", now + 3600)):
        gate.judged(backdoored(), name)
        registration = gate.registration(name)
        assert registration is not None
        excuses = tuple(
            Excuse(name, "model_xray", "T-1", "2026-12-04", end) for end in (until, 9e9)
        )
        with gate.connection() as connection:
            excused = replace(decision, excused_by=excuses)
            gate.ledger.set_state(connection, registration.id, VersionState.ADMITTED, None)
            gate.ledger.record_verdict(
                connection, registration.id, excused, ("images", ""), None, now
            )
    with refused():
        gate.plain.set_registered_model_alias("signs-ended", "champion", 1)
    with refused():
        sql(gate, "UPDATE model_versions SET status = 'READY' WHERE name = 'signs-ended'")
    gate.plain.set_registered_model_alias("signs-lasting", "champion", 1)
