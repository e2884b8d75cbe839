"""One promotion past the verdict: of these bytes, to this place, once, in time, and on record."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModelAlias
from sqlalchemy.exc import DBAPIError

from tests.support.evidence import backdoored, clean, evidence_of, unscannable
from tests.support.gate import KEPT, Gate, assert_refused
from xray_gate.core.errors import InputError, PolicyError
from xray_gate.core.evidence import ModelFacts
from xray_gate.policy.decision import decide
from xray_gate.registry.breaking_glass import open_break_glass, review_break_glass
from xray_gate.registry.gated_store import GatedStore
from xray_gate.registry.revoking import revoke
from xray_gate.scan.work import BreakGlass, Promotion, Settlement, VersionKey, VersionState

KEY = VersionKey("default", "signs", 1)
CHAMPION = Promotion("alias", "champion")
REFUSED = "verdict under policy images is failed"


class Clock:
    """Now, and so many seconds."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(database: str, tmp_path: Path, clock: Clock) -> Gate:
    """A version that failed, under a policy that allows break-glass; the database checks, too."""
    made = Gate(database, tmp_path / "policies", triggers=True, clock=clock)
    made.set_policy(break_glass={"minutes": 60})
    made.judged(backdoored())
    return made


def opened(
    gate: Gate, promotion: Promotion = CHAMPION, version: int = 1, name: str = "signs"
) -> BreakGlass:
    maker, key = gate.plain.ManagedSessionMaker, VersionKey("default", name, version)
    return open_break_glass(
        maker, gate.ledger, key, promotion, "the old one is down", "ann", time.time(), "T-1"
    )


def reviewed(gate: Gate, number: int, by: str = "bob") -> BreakGlass:
    maker = gate.plain.ManagedSessionMaker
    return review_break_glass(maker, gate.ledger, number, "fine", by, time.time())


def promote(gate: Gate, version: int = 1, alias: str = "champion") -> None:
    gate.store.set_registered_model_alias("signs", alias, version)


def test_it_lets_exactly_that_promotion_through_once(gate: Gate) -> None:
    found = opened(gate)
    assert (found.digest, found.used_at) == ("sha256:" + "ab" * 32, None)
    with assert_refused(REFUSED):
        promote(gate, alias="blue")
    with assert_refused(REFUSED):
        gate.store.transition_model_version_stage("signs", 1, "Production", False)
    promote(gate)
    version = gate.store.get_model_version("signs", 1)
    # The verdict is what it was, and so is what people see of it.
    assert (version.status, version.aliases) == ("FAILED_REGISTRATION", ["champion"])
    registration = gate.registration()
    assert registration is not None
    assert registration.state is VersionState.REFUSED
    with gate.connection() as connection:
        (used,) = gate.ledger.break_glasses(connection, registration)
    assert used.used_at is not None
    gate.store.delete_registered_model_alias("signs", "champion")
    with assert_refused(REFUSED):
        promote(gate)


def test_a_stage_works_as_an_alias_does(gate: Gate) -> None:
    opened(gate, Promotion("stage", "Production"))
    with assert_refused(REFUSED):
        gate.store.transition_model_version_stage("signs", 1, "Staging", False)
    gate.store.transition_model_version_stage("signs", 1, "Production", False)
    gate.store.transition_model_version_stage("signs", 1, "Archived", False)
    with assert_refused(REFUSED):
        gate.store.transition_model_version_stage("signs", 1, "Production", False)


def test_its_files_can_be_read_while_it_holds_that_promotion(gate: Gate) -> None:
    opened(gate)
    with assert_refused("the verdict is failed"):
        gate.store.get_model_version_download_uri("signs", 1)
    promote(gate)
    assert gate.store.get_model_version_download_uri("signs", 1) == "s3://kept/signs"
    gate.store.delete_registered_model_alias("signs", "champion")
    with assert_refused("the verdict is failed"):
        gate.store.get_model_version_download_uri("signs", 1)


def test_it_ends(gate: Gate, clock: Clock) -> None:
    opened(gate)
    clock.ahead = 3700
    with assert_refused(REFUSED):
        promote(gate)


def test_copies_and_new_names_are_not_let_through(gate: Gate) -> None:
    opened(gate)
    gate.store.create_registered_model("signs-production")
    original = gate.store.get_model_version("signs", 1)
    with assert_refused("cannot be copied"):
        gate.store.copy_model_version(original, "signs-production")
    promote(gate)
    with assert_refused("cannot be renamed"):
        gate.store.rename_registered_model("signs", "signs-two")


def test_only_where_the_policy_allows_it(gate: Gate) -> None:
    gate.set_policy()
    gate.judged(clean())
    with pytest.raises(InputError, match="policy images allows no break-glass"):
        opened(gate)


def test_a_policy_that_changes_its_mind_ends_it(gate: Gate) -> None:
    opened(gate)
    gate.set_policy()
    with assert_refused(REFUSED):
        promote(gate)
    gate.set_policy(break_glass={"minutes": 30})
    with assert_refused(REFUSED):
        promote(gate)
    gate.set_policy(break_glass={"minutes": 60})
    promote(gate)


def test_another_version_is_not_let_through(gate: Gate) -> None:
    gate.judged(backdoored())
    opened(gate)
    with assert_refused(REFUSED):
        promote(gate, 2)
    promote(gate)
    with assert_refused(REFUSED):
        promote(gate, 2)


def test_other_bytes_are_not_let_through(gate: Gate) -> None:
    """The version is scanned again, and something else lies there."""
    opened(gate)
    registration = gate.registration()
    assert registration is not None
    with gate.connection() as connection:
        gate.ledger.requeue(connection, registration.id)
    other = ModelFacts("models:/signs/1", "sha256:" + "cd" * 32, "onnx", 4)
    gate.settle(evidence_of(0.2, model=other))
    with assert_refused(REFUSED):
        promote(gate)


def test_files_that_were_moved_are_not_let_through(gate: Gate) -> None:
    opened(gate)
    with gate.without_triggers(), gate.connection() as connection:
        moved = "UPDATE model_versions SET storage_location = 's3://elsewhere'"
        connection.execute(sqlalchemy.text(moved))
    with assert_refused("its files are not at the place that was scanned"):
        promote(gate)


def test_bytes_that_were_not_kept_are_not_let_through(gate: Gate) -> None:
    gate.kept = None
    gate.judged(backdoored())
    opened(gate, version=2)
    with assert_refused(REFUSED):
        promote(gate, 2)


def withdraw(gate: Gate) -> None:
    maker = gate.plain.ManagedSessionMaker
    revoke(maker, gate.ledger, KEY, "stolen data", "eve", time.time())


def test_withdrawn_bytes_are_never_let_through(gate: Gate) -> None:
    opened(gate)
    withdraw(gate)
    with assert_refused("withdrawn by eve"):
        promote(gate)
    with pytest.raises(InputError, match="signs/1: was withdrawn"):
        opened(gate, Promotion("alias", "blue"))


def test_a_withdrawal_afterwards_closes_the_files(gate: Gate) -> None:
    opened(gate)
    promote(gate)
    withdraw(gate)
    with assert_refused("withdrawn by eve"):
        gate.store.get_model_version_download_uri("signs", 1)


def test_a_deleted_version_is_never_let_through(gate: Gate) -> None:
    opened(gate)
    gate.store.delete_model_version("signs", 1)
    with pytest.raises(InputError, match="signs/1: was deleted"):
        opened(gate, Promotion("alias", "blue"))


def test_a_name_that_is_used_again_inherits_nothing(gate: Gate) -> None:
    opened(gate)
    gate.store.delete_registered_model("signs")
    gate.judged(backdoored())
    with assert_refused(REFUSED):
        promote(gate)


def waiting(gate: Gate) -> None:
    gate.register()


def unread(gate: Gate) -> None:
    facts = ModelFacts("models:/signs/1", "unknown", "unknown", 0)
    gate.judged(replace(unscannable(), model=facts))


@pytest.mark.parametrize(("make", "why"), [(waiting, "waits for a scan"), (unread, "rescan it")])
def test_without_known_bytes_there_is_nothing_to_let_through(
    gate: Gate, make: Callable[[Gate], None], why: str
) -> None:
    make(gate)
    with pytest.raises(InputError, match=f"signs/2: .*{why}"):
        opened(gate, version=2)
    with pytest.raises(InputError, match="signs/9: has never been scanned"):
        opened(gate, version=9)


def test_one_is_open_at_a_time(gate: Gate) -> None:
    first = opened(gate)
    with pytest.raises(InputError, match=f"is let through already .number {first.id}"):
        opened(gate)
    promote(gate)
    gate.store.delete_registered_model_alias("signs", "champion")
    assert opened(gate).id > first.id
    promote(gate)


def test_a_review_is_somebody_elses_and_closes_it(gate: Gate) -> None:
    found = opened(gate)
    with pytest.raises(InputError, match="ann let it through and cannot review it"):
        reviewed(gate, found.id, "Ann")
    with pytest.raises(InputError, match="there is no such break-glass"):
        reviewed(gate, 99)
    done = reviewed(gate, found.id)
    assert done.review is not None
    assert (done.review.by, done.review.note) == ("bob", "fine")
    with pytest.raises(InputError, match="was reviewed already"):
        reviewed(gate, found.id, "cid")
    with assert_refused(REFUSED):
        promote(gate)


def promote_and_fail(gate: Gate) -> None:
    with gate.store.ManagedSessionMaker(read_only=False) as session:
        session.add(
            SqlRegisteredModelAlias(workspace="default", name="signs", alias="champion", version=1)
        )
        session.flush()
        raise RuntimeError("power cut")


def test_a_promotion_that_does_not_come_about_uses_nothing_up(gate: Gate) -> None:
    opened(gate)
    with pytest.raises(MlflowException, match="power cut"):
        promote_and_fail(gate)
    promote(gate)


def test_of_two_at_once_one_passes(gate: Gate) -> None:
    """Two transactions ask before either of them ends."""
    opened(gate)
    registration = gate.registration()
    assert registration is not None
    found: list[Any] = []
    start = threading.Barrier(2)

    def use() -> None:
        start.wait(20)
        with gate.connection() as connection:
            gate.ledger.current(connection, KEY, lock=True)
            digest = "sha256:" + "ab" * 32
            used = gate.ledger.use_break_glass(
                connection, registration, digest, CHAMPION, time.time(), 3600
            )
            time.sleep(0.2)
            found.append(used)

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(used is None for used in found) == [False, True]


def test_its_record_cannot_be_changed(gate: Gate) -> None:
    found = opened(gate)
    promote(gate)
    reviewed(gate, found.id)
    for statement in (
        "DELETE FROM xray_gate_break_glass",
        "UPDATE xray_gate_break_glass SET justification = 'none'",
        "UPDATE xray_gate_break_glass SET used_at = NULL",
        "UPDATE xray_gate_break_glass SET until = until + 1",
        "UPDATE xray_gate_break_glass SET reviewed_at = NULL",
        "UPDATE xray_gate_break_glass SET reviewed_by = 'nobody'",
    ):
        with pytest.raises(DBAPIError, match="xray-gate: "), gate.connection() as connection:
            connection.execute(sqlalchemy.text(statement))


def test_a_writer_past_the_gate_gains_nothing_by_it(gate: Gate) -> None:
    opened(gate)
    with pytest.raises(Exception, match="xray-gate: the ledger admits no"):
        gate.plain.set_registered_model_alias("signs", "champion", 1)
    promote(gate)
    with pytest.raises(Exception, match="xray-gate: the ledger admits no"):
        gate.plain.set_registered_model_alias("signs", "blue", 1)


def test_the_flavours_that_were_scanned_choose_the_policy(gate: Gate) -> None:
    onnx = {"registered_models": ["signs*"], "flavours": ["onnx"]}
    gate.set_policy("onnx", match=onnx, precedence=1)
    GatedStore(gate.uri, gate.parts)
    # They are not known of this one.
    with pytest.raises(PolicyError, match="hangs on its flavours"):
        opened(gate)
    found = backdoored()
    for number, flavours in ((2, ("onnx",)), (3, ("pytorch",))):
        gate.register()
        lease = gate.work.claim()
        assert lease is not None
        policy = gate.work.policy_for(lease, flavours)
        assert policy is not None
        model = replace(found.model, flavours=flavours)
        seen = replace(found, model=model, scan_id=f"of-{number}")
        gate.work.finish(lease, Settlement(seen, decide(policy, seen), policy, None, KEPT))
    with pytest.raises(InputError, match="policy onnx allows no break-glass"):
        opened(gate, version=2)
    assert opened(gate, version=3).promotion == CHAMPION
    promote(gate, 3)
    assert gate.store.get_model_version("signs", 3).aliases == ["champion"]
