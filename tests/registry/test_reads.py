import threading
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from tests.registry.test_promotion import NOT_ADMITTED, Maker
from tests.support.evidence import backdoored, unscannable
from tests.support.gate import KEPT, SOURCE, Gate, assert_refused

UNREADABLE = [make for make, _ in NOT_ADMITTED]


@pytest.mark.parametrize("make", UNREADABLE)
def test_files_of_what_is_not_admitted_are_not_found(gate: Gate, make: Maker) -> None:
    version = make(gate)
    with assert_refused("signs/1 cannot be read: "):
        gate.store.get_model_version_download_uri("signs", version.version)


@pytest.mark.parametrize("make", UNREADABLE)
def test_latest_does_not_lead_to_what_is_not_admitted(gate: Gate, make: Maker) -> None:
    make(gate)
    assert gate.store.get_latest_versions("signs") == []
    with pytest.raises(MlflowException, match="Latest version not found"):
        gate.store.get_model_version_by_alias("signs", "latest")


def test_files_of_an_admitted_version_are_found(gate: Gate) -> None:
    gate.admitted()
    assert gate.store.get_model_version_download_uri("signs", 1) == KEPT


def test_the_refusal_of_a_read_says_what_the_scan_found(gate: Gate) -> None:
    gate.judged(backdoored())
    with assert_refused(
        "signs/1 cannot be read: the verdict is failed: .*Next: xray-gate status signs/1"
    ):
        gate.store.get_model_version_download_uri("signs", 1)


def test_a_version_that_never_was_is_not_found(gate: Gate) -> None:
    gate.admitted()
    with pytest.raises(MlflowException, match="not found"):
        gate.store.get_model_version_download_uri("signs", 2)


@pytest.mark.parametrize("alias", ["latest", "Latest", "LATEST"])
def test_latest_is_the_newest_admitted_version(gate: Gate, alias: str) -> None:
    gate.admitted()
    gate.admitted()
    gate.judged(backdoored())
    gate.judged(unscannable())
    gate.register()
    (latest,) = gate.store.get_latest_versions("signs")
    assert int(latest.version) == 2
    assert int(gate.store.get_model_version_by_alias("signs", alias).version) == 2


def test_stages_lead_to_their_newest_admitted_version(gate: Gate) -> None:
    for _ in range(3):
        gate.admitted()
    gate.store.transition_model_version_stage("signs", 1, "Production", False)
    gate.store.transition_model_version_stage("signs", 2, "Production", False)
    gate.judged(backdoored())
    # The gate was not there when this one was promoted.
    with gate.without_triggers():
        gate.plain.transition_model_version_stage("signs", 4, "Production", False)

    def versions(stages: list[str] | None) -> dict[str, int]:
        found = gate.store.get_latest_versions("signs", stages)
        return {item.current_stage: int(item.version) for item in found}

    assert versions(None) == {"Production": 2, "None": 3}
    assert versions(["production"]) == {"Production": 2}
    assert versions(["Staging"]) == {}


def test_latest_versions_know_their_aliases(gate: Gate) -> None:
    gate.admitted()
    gate.store.set_registered_model_alias("signs", "champion", 1)
    (latest,) = gate.store.get_latest_versions("signs")
    assert latest.aliases == ["champion"]


def test_latest_versions_of_nothing_are_not_found(gate: Gate) -> None:
    with pytest.raises(MlflowException, match="not found"):
        gate.store.get_latest_versions("signs")
    gate.store.create_registered_model("signs")
    assert gate.store.get_latest_versions("signs") == []
    with pytest.raises(MlflowException, match="Invalid Model Version stage"):
        gate.store.get_latest_versions("signs", ["Nowhere"])


def test_deleted_versions_are_no_latest_ones(gate: Gate) -> None:
    gate.admitted()
    gate.admitted()
    gate.store.delete_model_version("signs", 2)
    (latest,) = gate.store.get_latest_versions("signs")
    assert int(latest.version) == 1


def test_a_policy_may_allow_reads_without_a_verdict(gate: Gate) -> None:
    gate.set_policy(unsafe_allow_unscanned_reads=True)
    gate.register()
    assert gate.store.get_model_version_download_uri("signs", 1) == SOURCE
    assert int(gate.store.get_model_version_by_alias("signs", "latest").version) == 1
    with assert_refused("waits for a scan"):
        gate.store.set_registered_model_alias("signs", "champion", 1)


def test_an_alias_from_before_the_gate_does_not_open_the_files(gate: Gate) -> None:
    gate.unscanned()
    with gate.without_triggers():
        gate.plain.set_registered_model_alias("signs", "champion", 1)
    version = gate.store.get_model_version_by_alias("signs", "champion")
    with assert_refused("registered before the gate"):
        gate.store.get_model_version_download_uri("signs", version.version)


def test_a_free_alias_does_not_open_the_files(gate: Gate) -> None:
    gate.set_policy(promotion={"free_aliases": ["dev"]})
    gate.register()
    gate.store.set_registered_model_alias("signs", "dev", 1)
    with assert_refused("waits for a scan"):
        gate.store.get_model_version_download_uri("signs", 1)


def test_what_was_admitted_stays_readable_while_no_policy_can_be_read(gate: Gate) -> None:
    """A broken file must stop promotions, not the models that are in production."""
    gate.admitted()
    gate.register()
    (gate.folder / "images.yaml").write_text("name: [")
    assert gate.store.get_model_version_download_uri("signs", 1) == KEPT
    with assert_refused("the server's policies cannot be used"):
        gate.store.get_model_version_download_uri("signs", 2)


def test_what_is_there_can_be_looked_at_without_a_verdict(gate: Gate) -> None:
    gate.judged(backdoored())
    assert gate.store.get_model_version("signs", 1).status == "FAILED_REGISTRATION"
    assert len(gate.store.search_model_versions("name = 'signs'")) == 1
    assert gate.store.get_registered_model("signs").name == "signs"


def test_what_only_a_trial_admitted_is_not_read_after_the_trial(gate: Gate) -> None:
    gate.set_policy(enforcement="audit")
    gate.judged(backdoored())
    assert gate.store.get_model_version_download_uri("signs", 1) == KEPT
    gate.set_policy(enforcement="enforce")
    with assert_refused("signs/1 cannot be read: the verdict is failed"):
        gate.store.get_model_version_download_uri("signs", 1)
    assert gate.store.get_latest_versions("signs") == []


def test_a_trial_that_begins_later_admits_reads_as_it_admits_promotions(gate: Gate) -> None:
    gate.judged(backdoored())
    gate.set_policy(enforcement="warn")
    assert gate.store.get_model_version_download_uri("signs", 1) == KEPT


def test_unscanned_reads_do_not_open_what_was_scanned_and_failed(gate: Gate) -> None:
    gate.set_policy(unsafe_allow_unscanned_reads=True)
    gate.judged(backdoored())
    with assert_refused("signs/1 cannot be read: the verdict is failed"):
        gate.store.get_model_version_download_uri("signs", 1)
    gate.register()
    assert gate.store.get_model_version_download_uri("signs", 2) == SOURCE


def test_a_policy_under_work_does_not_stop_what_passed(gate: Gate) -> None:
    gate.admitted()
    (gate.folder / "images.yaml").write_text("apiVersion: [")
    assert gate.store.get_model_version_download_uri("signs", 1) == KEPT


def test_the_files_are_those_of_the_version_that_was_checked(gate: Gate) -> None:
    gate.admitted()
    check = gate.store._why_unreadable

    def swap_after_the_check(session: Any, row: Any) -> Any:
        answer = check(session, row)
        thread = threading.Thread(target=_replace_signs, args=(gate,))
        thread.start()
        # SQLite lets nobody write while this session reads; then nothing is swapped either.
        thread.join(timeout=1)
        swapping.append(thread)
        return answer

    swapping: list[threading.Thread] = []
    gate.store._why_unreadable = swap_after_the_check
    assert gate.store.get_model_version_download_uri("signs", 1) == KEPT
    swapping[0].join()


def _replace_signs(gate: Gate) -> None:
    gate.plain.delete_registered_model("signs")
    gate.store.create_registered_model("signs")
    gate.store.create_model_version("signs", "s3://evil")


@pytest.mark.parametrize("mode", ["audit", "warn", {"registration": "off"}])
def test_what_was_never_scanned_is_read_under_no_mode(gate: Gate, mode: Any) -> None:
    gate.set_policy(enforcement=mode, match={"registered_models": ["signs*"]})
    assert gate.register("cars").status == "FAILED_REGISTRATION"
    gate.store.rename_registered_model("cars", "signs-2")
    with assert_refused("signs-2/1 cannot be read: the verdict is undecided"):
        gate.store.get_model_version_download_uri("signs-2", 1)
