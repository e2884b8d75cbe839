"""Withdrawing an admission, and what may happen at the same time."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from tests.support.evidence import clean, evidence_of, unscannable
from tests.support.gate import Gate, assert_refused
from xray_gate.core.errors import InputError
from xray_gate.core.evidence import ModelFacts
from xray_gate.registry.revoking import Withdrawn, revoke
from xray_gate.scan.work import VersionKey, VersionState

OTHER = ModelFacts("models:/signs/2", "sha256:" + "cd" * 32, "onnx", 4)
WHY = "withdrawn by ann: it was trained on stolen data"


def withdraw(gate: Gate, name: str = "signs", version: int = 1) -> list[Withdrawn]:
    key = VersionKey("default", name, version)
    maker, reason = gate.plain.ManagedSessionMaker, WHY.partition(": ")[2]
    return revoke(maker, gate.ledger, key, reason, "ann", time.time())[1]


def test_it_is_refused_from_then_on(gate: Gate) -> None:
    gate.admitted()
    assert withdraw(gate) == [Withdrawn(VersionKey("default", "signs", 1), (), None)]
    version = gate.store.get_model_version("signs", 1)
    assert version.status == "FAILED_REGISTRATION"
    assert version.status_message == f"xray-gate: {WHY}. Next: xray-gate status signs/1"
    assert version.tags["xray_gate.verdict"] == "undecided"
    with assert_refused(WHY):
        gate.store.set_registered_model_alias("signs", "champion", 1)
    with assert_refused(WHY):
        gate.store.get_model_version_download_uri("signs", 1)
    assert gate.store.get_latest_versions("signs") == []


def test_no_mode_admits_it(gate: Gate) -> None:
    gate.set_policy(enforcement="audit", unsafe_allow_unscanned_reads=True)
    gate.admitted()
    withdraw(gate)
    with assert_refused(WHY):
        gate.store.set_registered_model_alias("signs", "champion", 1)
    with assert_refused(WHY):
        gate.store.get_model_version_download_uri("signs", 1)


def test_what_is_promoted_stays_and_is_listed(gate: Gate) -> None:
    gate.admitted()
    gate.store.set_registered_model_alias("signs", "champion", 1)
    gate.store.set_registered_model_alias("signs", "blue", 1)
    gate.store.transition_model_version_stage("signs", 1, "Production", False)
    assert withdraw(gate) == [
        Withdrawn(VersionKey("default", "signs", 1), ("blue", "champion"), "Production")
    ]
    assert gate.store.get_model_version_by_alias("signs", "champion").version == 1


def test_the_same_bytes_are_withdrawn_wherever_they_are(gate: Gate) -> None:
    gate.admitted()
    gate.store.create_registered_model("signs-production")
    original = gate.store.get_model_version("signs", 1)
    gate.store.copy_model_version(original, "signs-production")
    gate.judged(evidence_of(1.5, model=OTHER))
    assert [str(found.key) for found in withdraw(gate)] == ["signs/1", "signs-production/1"]
    assert gate.store.get_model_version("signs-production", 1).status == "FAILED_REGISTRATION"
    assert gate.store.get_model_version("signs", 2).status == "READY"


def test_the_same_bytes_are_refused_when_they_come_again(gate: Gate) -> None:
    gate.admitted()
    withdraw(gate)
    again = gate.judged(clean())
    assert again.status == "FAILED_REGISTRATION"
    assert WHY in again.status_message
    registration = gate.registration(version=2)
    assert registration is not None
    assert registration.state is VersionState.REVOKED


def test_a_version_that_waits_has_nothing_to_withdraw(gate: Gate) -> None:
    gate.register()
    with pytest.raises(InputError, match="signs/1: has not been scanned"):
        withdraw(gate)
    with pytest.raises(InputError, match="signs/7: has not been scanned"):
        withdraw(gate, version=7)


@pytest.mark.parametrize("first", ["promotion", "withdrawal"])
def test_a_promotion_and_a_withdrawal_do_not_cross(gate: Gate, first: str) -> None:
    """Whoever comes second waits, and then sees what the other did."""
    gate.admitted()
    key, found = VersionKey("default", "signs", 1), list[Any]()

    def promote() -> None:
        try:
            gate.store.set_registered_model_alias("signs", "champion", 1)
            found.append("promoted")
        except Exception as error:
            found.append(str(error))

    def take_back() -> None:
        found.append(withdraw(gate))

    with gate.connection() as connection:
        # Both need this row; SQLite lets one writer in at a time anyway.
        gate.ledger.current(connection, key, lock=True)
        threads = []
        for work in (promote, take_back) if first == "promotion" else (take_back, promote):
            threads.append(threading.Thread(target=work))
            threads[-1].start()
            time.sleep(0.2)
        assert found == []
    for thread in threads:
        thread.join(timeout=30)
    aliases = gate.store.get_model_version("signs", 1).aliases
    (listed,) = [answer[0].aliases for answer in found if isinstance(answer, list)]
    said = [answer for answer in found if not isinstance(answer, list)]
    # Promoted and listed, or refused: never promoted unseen.
    assert (aliases, listed) in ((["champion"], ("champion",)), ([], ()))
    assert said == ["promoted"] if aliases else WHY in said[0]


def test_a_verdict_that_is_written_meanwhile_is_withdrawn_too(gate: Gate) -> None:
    gate.admitted()
    gate.register()
    finish, found = gate.claimed(), list[Any]()
    with gate.connection() as connection:
        gate.ledger.current(connection, VersionKey("default", "signs", 1), lock=True)
        threads = [
            threading.Thread(target=lambda: found.append(withdraw(gate))),
            threading.Thread(target=lambda: found.append(finish(clean()))),
        ]
        for thread in threads:
            thread.start()
            time.sleep(0.2)
    for thread in threads:
        thread.join(timeout=30)
    assert len(found) == 2
    for number in (1, 2):
        assert gate.store.get_model_version("signs", number).status == "FAILED_REGISTRATION"
        with assert_refused(WHY):
            gate.store.set_registered_model_alias("signs", "champion", number)


def test_what_could_not_be_scanned_has_nothing_to_withdraw(gate: Gate) -> None:
    """Its digest is that of every other one that could not be read."""
    facts = ModelFacts("models:/signs/1", "unknown", "unknown", 0)
    gate.judged(replace(unscannable(), model=facts))
    with pytest.raises(InputError, match="signs/1: has not been scanned"):
        withdraw(gate)


def test_a_copy_that_is_made_meanwhile_is_withdrawn_too(gate: Gate) -> None:
    gate.admitted()
    gate.admitted()
    gate.store.create_registered_model("signs-production")
    copied, found = threading.Event(), list[Any]()
    check = gate.store._admissions.of

    def slowly(*arguments: Any) -> Any:
        answer = check(*arguments)
        if not copied.is_set():
            copied.set()
            # The withdrawal, of the other version with these bytes, begins here.
            time.sleep(0.5)
        return answer

    gate.store._admissions.of = slowly
    original = gate.store.get_model_version("signs", 1)
    copying = threading.Thread(
        target=lambda: gate.store.copy_model_version(original, "signs-production")
    )
    copying.start()
    assert copied.wait(20)
    withdrawing = threading.Thread(target=lambda: found.extend(withdraw(gate, version=2)))
    withdrawing.start()
    for thread in (copying, withdrawing):
        thread.join(timeout=30)
    names = [str(one.key) for one in found]
    assert names == ["signs/1", "signs/2", "signs-production/1"]
    with assert_refused(WHY):
        gate.store.get_model_version_download_uri("signs-production", 1)
