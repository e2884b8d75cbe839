from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion

from tests.support.evidence import backdoored, clean, unscannable
from tests.support.gate import Gate, assert_refused


def pending(gate: Gate) -> ModelVersion:
    return gate.register()


def failed(gate: Gate) -> ModelVersion:
    return gate.judged(backdoored())


def undecided(gate: Gate) -> ModelVersion:
    return gate.judged(unscannable())


def never_scannable(gate: Gate) -> ModelVersion:
    version = gate.register()
    lease = gate.work.claim()
    assert lease is not None
    gate.work.refuse(lease, "the scan was started 3 times")
    return version


def from_before_the_gate(gate: Gate) -> ModelVersion:
    return gate.unscanned()


def deleted_and_made_again(gate: Gate) -> ModelVersion:
    gate.admitted()
    gate.store.delete_registered_model("signs")
    return gate.register()


def moved(gate: Gate) -> ModelVersion:
    version = gate.admitted()
    table = SqlModelVersion.__table__
    with gate.without_triggers(), gate.connection() as connection:
        connection.execute(sqlalchemy.update(table).values(storage_location="s3://elsewhere"))
    return version


NOT_ADMITTED = [
    (pending, "waits for a scan; try again when its status is READY"),
    (failed, "is failed: model_xray: .*suspected target label 2.*xray-gate status signs/1"),
    (undecided, "is undecided: the model cannot be opened"),
    (never_scannable, "register it again"),
    (from_before_the_gate, "registered before the gate and never scanned; register it again"),
    (deleted_and_made_again, "waits for a scan"),
    (moved, "not at the place that was scanned; register it again"),
]
Maker = Callable[[Gate], ModelVersion]


@pytest.mark.parametrize(("make", "why"), NOT_ADMITTED)
def test_what_is_not_admitted_gets_no_alias(gate: Gate, make: Maker, why: str) -> None:
    version = make(gate)
    with assert_refused(f"signs/1 cannot be given the alias 'champion': .*{why}"):
        gate.store.set_registered_model_alias("signs", "champion", version.version)
    assert gate.plain.get_registered_model("signs").aliases == {}


@pytest.mark.parametrize(("make", "why"), NOT_ADMITTED)
@pytest.mark.parametrize("stage", ["Staging", "Production", "production"])
def test_what_is_not_admitted_gets_no_stage(gate: Gate, make: Maker, why: str, stage: str) -> None:
    version = make(gate)
    with assert_refused(f"signs/1 cannot be moved to {stage.title()}: .*{why}"):
        gate.store.transition_model_version_stage("signs", version.version, stage, False)
    assert gate.plain.get_model_version("signs", 1).current_stage == "None"


def test_an_admitted_version_is_promoted(gate: Gate) -> None:
    version = gate.admitted()
    assert version.status == "READY"
    gate.store.set_registered_model_alias("signs", "champion", version.version)
    gate.store.transition_model_version_stage("signs", version.version, "Production", False)
    found = gate.store.get_model_version_by_alias("signs", "champion")
    assert (int(found.version), found.current_stage) == (1, "Production")


def test_an_alias_moves_only_to_an_admitted_version(gate: Gate) -> None:
    gate.admitted()
    gate.judged(backdoored())
    gate.admitted()
    gate.store.set_registered_model_alias("signs", "champion", 1)
    with assert_refused("signs/2"):
        gate.store.set_registered_model_alias("signs", "champion", 2)
    assert int(gate.store.get_model_version_by_alias("signs", "champion").version) == 1
    gate.store.set_registered_model_alias("signs", "champion", 3)
    assert int(gate.store.get_model_version_by_alias("signs", "champion").version) == 3


def test_an_alias_can_always_be_taken_away(gate: Gate) -> None:
    gate.admitted()
    gate.store.set_registered_model_alias("signs", "champion", 1)
    gate.set_policy(match={"registered_models": ["nothing-here"]})
    gate.store.delete_registered_model_alias("signs", "champion")
    assert gate.store.get_registered_model("signs").aliases == {}


@pytest.mark.parametrize("alias", ["dev-1", "DEV-2", "candidate", "Candidate"])
def test_free_aliases_need_no_verdict_whatever_their_case(gate: Gate, alias: str) -> None:
    gate.set_policy(promotion={"free_aliases": ["dev-*", "Candidate"]})
    gate.register()
    gate.store.set_registered_model_alias("signs", alias, 1)
    assert int(gate.store.get_model_version_by_alias("signs", alias).version) == 1


@pytest.mark.parametrize("alias", ["champion", "Champion", "CHAMPION", "candidates", "my-dev-1"])
def test_every_other_alias_is_gated_whatever_its_case(gate: Gate, alias: str) -> None:
    gate.set_policy(promotion={"free_aliases": ["dev-*", "candidate"]})
    gate.register()
    with assert_refused("waits for a scan"):
        gate.store.set_registered_model_alias("signs", alias, 1)


def test_only_the_stages_that_the_policy_names_are_gated(gate: Gate) -> None:
    gate.set_policy(promotion={"stages": ["Production"]})
    gate.register()
    gate.store.transition_model_version_stage("signs", 1, "Staging", False)
    with assert_refused():
        gate.store.transition_model_version_stage("signs", 1, "Production", False)


@pytest.mark.parametrize("stage", ["Archived", "None"])
def test_leaving_is_free(gate: Gate, stage: str) -> None:
    gate.register()
    gate.set_policy(match={"registered_models": ["nothing-here"]})
    moved = gate.store.transition_model_version_stage("signs", 1, stage, False)
    assert moved.current_stage == stage


def test_a_promotion_archives_what_stood_there(gate: Gate) -> None:
    gate.admitted()
    gate.admitted()
    gate.store.transition_model_version_stage("signs", 1, "Production", True)
    gate.store.transition_model_version_stage("signs", 2, "Production", True)
    stages = [gate.store.get_model_version("signs", v).current_stage for v in (1, 2)]
    assert stages == ["Archived", "Production"]


def test_versions_come_as_text_from_mlflows_server(gate: Gate) -> None:
    gate.admitted()
    gate.admitted()
    for version in ("1", "2"):
        gate.store.transition_model_version_stage("signs", version, "Production", True)
    gate.store.set_registered_model_alias("signs", "champion", "2")
    stages = [gate.store.get_model_version("signs", v).current_stage for v in ("1", "2")]
    assert stages == ["Archived", "Production"]
    with pytest.raises(MlflowException, match="must be an integer"):
        gate.store.transition_model_version_stage("signs", "two", "Production", True)


def test_a_refused_promotion_archives_nothing(gate: Gate) -> None:
    gate.admitted()
    gate.judged(backdoored())
    gate.store.transition_model_version_stage("signs", 1, "Production", True)
    with assert_refused():
        gate.store.transition_model_version_stage("signs", 2, "Production", True)
    stages = [gate.store.get_model_version("signs", v).current_stage for v in (1, 2)]
    assert stages == ["Production", "None"]


def test_without_a_policy_for_the_name_nothing_is_promoted(gate: Gate) -> None:
    gate.admitted()
    gate.set_policy(match={"registered_models": ["nothing-here"]})
    with assert_refused("no policy matches the registered model 'signs'"):
        gate.store.set_registered_model_alias("signs", "champion", 1)
    with assert_refused("no policy matches the registered model 'signs'"):
        gate.store.transition_model_version_stage("signs", 1, "Production", False)


def test_a_policy_that_was_tightened_after_the_verdict_decides(gate: Gate) -> None:
    gate.admitted()
    thresholds = [{"statistic": "renyi_entropy.unclipped", "bound": 5.0, "source": "a new bound"}]
    gate.set_policy(detectors={"model_xray": {"thresholds": thresholds}})
    with assert_refused(
        r"under policy images is failed: .*1\.900 is beyond 5\.000 \(a new bound\)"
    ):
        gate.store.set_registered_model_alias("signs", "champion", 1)


def test_a_policy_that_was_loosened_after_the_verdict_decides(gate: Gate) -> None:
    gate.judged(backdoored())
    thresholds = [{"statistic": "renyi_entropy.unclipped", "bound": 0.1, "source": "a new bound"}]
    gate.set_policy(detectors={"model_xray": {"thresholds": thresholds}})
    gate.store.set_registered_model_alias("signs", "champion", 1)
    assert gate.store.get_model_version("signs", 1).aliases == ["champion"]


@pytest.mark.parametrize("mode", ["audit", "warn"])
@pytest.mark.parametrize(
    ("evidence", "verdict"), [(backdoored, "failed"), (unscannable, "undecided")]
)
def test_a_trial_admits_and_keeps_the_verdict(
    gate: Gate, mode: str, evidence: Any, verdict: str
) -> None:
    gate.set_policy(enforcement=mode)
    version = gate.judged(evidence())
    assert version.status == "READY"
    assert f"[{mode}]" in version.status_message
    assert version.tags["xray_gate.verdict"] == verdict
    gate.store.set_registered_model_alias("signs", "champion", 1)
    registration = gate.registration()
    assert registration is not None
    with gate.connection() as connection:
        (row,) = gate.ledger.verdicts(connection, registration)
    assert (row.verdict, row.admits) == (verdict, True)


def test_what_a_trial_admitted_is_refused_when_the_trial_is_over(gate: Gate) -> None:
    gate.set_policy(enforcement="audit")
    gate.judged(backdoored())
    gate.set_policy()
    with assert_refused("is failed"):
        gate.store.set_registered_model_alias("signs", "champion", 1)


def test_a_name_that_two_policies_claim_is_refused(gate: Gate) -> None:
    gate.admitted()
    gate.set_policy("lenient", match={"registered_models": ["sign?"]}, enforcement="audit")
    with assert_refused("the policies images and lenient match with the same precedence"):
        gate.store.set_registered_model_alias("signs", "champion", 1)
    assert gate.register().status == "FAILED_REGISTRATION"


def test_a_version_that_is_gone_is_not_found_rather_than_refused(gate: Gate) -> None:
    gate.admitted()
    gate.store.delete_model_version("signs", 1)
    with pytest.raises(Exception, match="not found") as caught:
        gate.store.set_registered_model_alias("signs", "champion", 1)
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"  # type: ignore[attr-defined]


def test_descriptions_need_no_verdict(gate: Gate) -> None:
    gate.judged(backdoored())
    gate.store.update_model_version("signs", 1, "what it is for")
    gate.store.update_registered_model("signs", "what they are for")
    assert gate.store.get_model_version("signs", 1).description == "what it is for"


def test_a_clean_verdict_is_not_shared_with_other_versions(gate: Gate) -> None:
    gate.register()
    gate.register()
    gate.settle(clean())
    gate.store.set_registered_model_alias("signs", "champion", 1)
    with assert_refused("signs/2 .*waits for a scan"):
        gate.store.set_registered_model_alias("signs", "champion", 2)


@pytest.mark.parametrize(
    ("column", "value"),
    [("status", "READY"), ("source", "s3://evil"), ("storage_location", "s3://evil")],
)
def test_status_and_place_cannot_be_written_through_the_store(
    gate: Gate, column: str, value: str
) -> None:
    gate.judged(backdoored())
    with (
        assert_refused("the gate's to set"),
        gate.store.ManagedSessionMaker(read_only=False) as session,
    ):
        setattr(session.query(SqlModelVersion).one(), column, value)
