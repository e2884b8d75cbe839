"""Two things at once, on real databases: threads meet at a barrier, then both write."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModelAlias

from tests.support.evidence import backdoored, clean
from tests.support.gate import Gate
from xray_gate.scan.work import VersionKey

ROUNDS = 6


def at_once(*jobs: Callable[[], object]) -> list[BaseException | None]:
    """Run every job in a thread of its own, from the same moment; what each raised."""
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> BaseException | None:
        start.wait()
        try:
            job()
        except Exception as error:
            return error
        return None

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(run, job) for job in jobs]]


def only_refusals(problems: list[BaseException | None]) -> bool:
    return all(
        problem is None
        or (isinstance(problem, MlflowException) and problem.message.startswith("xray-gate:"))
        for problem in problems
    )


def alias_of(gate: Gate, name: str) -> int | None:
    aliases = gate.plain.get_registered_model(name).aliases
    return int(aliases["champion"]) if "champion" in aliases else None


@pytest.mark.parametrize("backdoor", [False, True])
def test_a_promotion_during_the_verdict_never_promotes_what_was_refused(
    gate: Gate, backdoor: bool
) -> None:
    for number in range(ROUNDS):
        name = f"signs-{number}"
        gate.register(name)
        finish = partial(gate.claimed(), backdoored() if backdoor else clean())
        problems = at_once(
            finish,
            partial(gate.store.set_registered_model_alias, name, "champion", 1),
            partial(gate.store.transition_model_version_stage, name, 1, "Production", False),
        )
        assert problems[0] is None
        assert only_refusals(problems)
        version = gate.plain.get_model_version(name, 1)
        assert version.status == ("FAILED_REGISTRATION" if backdoor else "READY")
        if backdoor:
            assert (alias_of(gate, name), version.current_stage) == (None, "None")
        else:
            assert alias_of(gate, name) == (None if problems[1] else 1)
            assert version.current_stage == ("None" if problems[2] else "Production")


def test_two_promoters_leave_the_alias_on_an_admitted_version(gate: Gate) -> None:
    gate.admitted()
    gate.judged(backdoored())
    gate.admitted()
    for _ in range(ROUNDS):
        problems = at_once(
            *(
                partial(gate.store.set_registered_model_alias, "signs", "champion", n)
                for n in (1, 2, 3)
            )
        )
        assert only_refusals(problems[1:2])
        assert problems[1] is not None
        # PostgreSQL may tell one of two writers of a new alias that the other was quicker.
        assert problems[0] is None or problems[2] is None
        assert alias_of(gate, "signs") in (1, 3)
        gate.store.delete_registered_model_alias("signs", "champion")


def test_the_answer_to_a_promotion_holds_until_it_is_committed(gate: Gate) -> None:
    gate.admitted()
    closed = threading.Event()

    def close() -> None:
        with gate.plain.ManagedSessionMaker(read_only=False) as session:
            gate.ledger.close(session.connection(), VersionKey("default", "signs", 1))
        closed.set()

    alias = SqlRegisteredModelAlias(workspace="default", name="signs", alias="champion", version=1)
    thread = threading.Thread(target=close)
    with gate.store.ManagedSessionMaker(read_only=False) as session:
        session.merge(alias)
        session.flush()
        thread.start()
        assert not closed.wait(0.5)
    thread.join(timeout=20)
    assert closed.is_set()


def test_a_version_that_is_deleted_while_it_is_promoted_opens_no_files(gate: Gate) -> None:
    for number in range(ROUNDS):
        name = f"signs-{number}"
        gate.admitted(name)
        problems = at_once(
            partial(gate.store.delete_model_version, name, 1),
            partial(gate.store.set_registered_model_alias, name, "champion", 1),
        )
        assert problems[0] is None
        with pytest.raises(MlflowException, match="not found"):
            gate.store.get_model_version_by_alias(name, "champion")
        with pytest.raises(MlflowException, match="not found"):
            gate.store.get_model_version_download_uri(name, 1)


def test_a_rename_during_the_verdict_leaves_version_and_ledger_together(gate: Gate) -> None:
    gate.set_policy("other", match={"registered_models": ["production-*"]})
    for number in range(ROUNDS):
        gate.register(f"signs-{number}")
        at_once(
            partial(gate.claimed(), backdoored()),
            partial(gate.store.rename_registered_model, f"signs-{number}", f"production-{number}"),
        )
        version = gate.plain.get_model_version(f"production-{number}", 1)
        registration = gate.registration(f"production-{number}")
        assert registration is not None
        assert (version.status, registration.state.value) in (
            ("PENDING_REGISTRATION", "waiting"),
            ("FAILED_REGISTRATION", "refused"),
        )
        if version.status == "PENDING_REGISTRATION":
            gate.settle(backdoored())


def test_a_copy_during_the_verdict_is_never_ready_for_a_refused_version(gate: Gate) -> None:
    gate.store.create_registered_model("signs-copy")
    for number in range(ROUNDS):
        name = f"signs-{number}"
        gate.register(name)
        problems = at_once(
            partial(gate.claimed(), backdoored()),
            partial(gate.store.create_model_version, "signs-copy", f"models:/{name}/1"),
        )
        assert problems[0] is None
        assert problems[1] is not None
    assert gate.plain.search_model_versions("name = 'signs-copy'") == []
