from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from tests.support.evidence import backdoored, clean
from tests.support.gate import Gate, assert_refused
from xray_gate.core.errors import LeaseLost
from xray_gate.policy.decision import decide
from xray_gate.scan.work import Settlement, VersionState

STRICT: dict[str, Any] = {
    "match": {"registered_models": ["production-*"]},
    "detectors": {
        "model_xray": {
            "thresholds": [
                {"statistic": "renyi_entropy.unclipped", "bound": 5.0, "source": "stricter"}
            ]
        }
    },
}


def test_verdicts_follow_the_new_name(gate: Gate) -> None:
    gate.admitted()
    gate.store.rename_registered_model("signs", "signs-2")
    assert gate.store.get_model_version("signs-2", 1).status == "READY"
    gate.store.set_registered_model_alias("signs-2", "champion", 1)
    assert gate.registration("signs") is None


def test_waiting_versions_are_scanned_under_the_new_name(gate: Gate) -> None:
    gate.register()
    gate.store.rename_registered_model("signs", "signs-2")
    lease = gate.work.claim()
    assert lease is not None
    assert str(lease.registration.key) == "signs-2/1"
    gate.work.finish(lease, Settlement(clean(), *_decision(gate, clean())))
    assert gate.store.get_model_version("signs-2", 1).status == "READY"


def _decision(gate: Gate, evidence: Any) -> tuple[Any, Any]:
    policy = gate.parts.policies().match("signs")
    assert policy is not None
    return decide(policy, evidence), policy


def test_an_admitted_version_must_be_admitted_under_the_new_names_policy(gate: Gate) -> None:
    gate.set_policy("strict", **STRICT)
    gate.admitted()
    with assert_refused(r"signs/1 cannot be renamed to 'production-signs': .*\(stricter\)"):
        gate.store.rename_registered_model("signs", "production-signs")
    assert gate.store.get_model_version("signs", 1).status == "READY"
    assert gate.registration("signs") is not None


def test_an_admitted_version_moves_where_the_new_policy_admits_it(gate: Gate) -> None:
    gate.set_policy("other", match={"registered_models": ["production-*"]})
    gate.admitted()
    gate.store.set_registered_model_alias("signs", "champion", 1)
    gate.store.rename_registered_model("signs", "production-signs")
    alias = gate.store.get_model_version_by_alias("production-signs", "champion")
    assert (int(alias.version), alias.status) == (1, "READY")


def test_a_free_alias_does_not_become_a_gated_one_by_a_new_name(gate: Gate) -> None:
    gate.set_policy(promotion={"free_aliases": ["*"]})
    gate.set_policy("other", match={"registered_models": ["production-*"]})
    gate.register()
    gate.store.set_registered_model_alias("signs", "champion", 1)
    with assert_refused("waits for a scan"):
        gate.store.rename_registered_model("signs", "production-signs")


def test_a_free_stage_does_not_become_a_gated_one_by_a_new_name(gate: Gate) -> None:
    gate.set_policy(promotion={"stages": []})
    gate.set_policy("other", match={"registered_models": ["production-*"]})
    gate.judged(backdoored())
    gate.store.transition_model_version_stage("signs", 1, "Production", False)
    with assert_refused("is failed"):
        gate.store.rename_registered_model("signs", "production-signs")


def test_nothing_is_renamed_out_of_every_policys_scope(gate: Gate) -> None:
    gate.admitted()
    with assert_refused("no policy matches the registered model 'cats'"):
        gate.store.rename_registered_model("signs", "cats")


def test_a_version_from_before_the_gate_is_not_renamed(gate: Gate) -> None:
    gate.unscanned()
    with assert_refused("registered before the gate"):
        gate.store.rename_registered_model("signs", "signs-2")


def test_deleted_versions_do_not_stand_in_the_way(gate: Gate) -> None:
    gate.admitted()
    gate.admitted()
    gate.store.delete_model_version("signs", 1)
    gate.store.rename_registered_model("signs", "signs-2")
    assert gate.store.get_model_version("signs-2", 2).status == "READY"
    gate.store.set_registered_model_alias("signs-2", "champion", 2)
    deleted = gate.registration("signs-2", 1)
    assert deleted is not None
    assert deleted.state is VersionState.DELETED


def test_a_name_can_be_taken_over_from_a_deleted_model(gate: Gate) -> None:
    gate.admitted("signs-1")
    gate.judged(backdoored(), "signs-2")
    gate.store.delete_registered_model("signs-2")
    gate.store.rename_registered_model("signs-1", "signs-2")
    gate.store.set_registered_model_alias("signs-2", "champion", 1)
    assert gate.store.get_model_version("signs-2", 1).aliases == ["champion"]


def test_a_verdict_for_the_old_name_does_not_count_for_the_new_one(gate: Gate) -> None:
    """A scan that a lenient policy would admit runs while the model is renamed."""
    gate.set_policy(enforcement="audit")
    gate.set_policy("other", match={"registered_models": ["production-*"]})
    gate.register()
    lease = gate.work.claim()
    assert lease is not None
    policy = gate.work.policy_for(lease)
    assert policy is not None
    gate.store.rename_registered_model("signs", "production-signs")
    with pytest.raises(LeaseLost):
        gate.work.finish(lease, Settlement(backdoored(), decide(policy, backdoored()), policy))
    assert gate.store.get_model_version("production-signs", 1).status == "PENDING_REGISTRATION"
    gate.settle(backdoored())
    version = gate.store.get_model_version("production-signs", 1)
    assert version.status == "FAILED_REGISTRATION"


def test_a_rename_to_a_name_that_exists_changes_nothing(gate: Gate) -> None:
    gate.admitted("signs-1")
    gate.admitted("signs-2")
    with pytest.raises(MlflowException, match="already exists"):
        gate.store.rename_registered_model("signs-1", "signs-2")
    for name in ("signs-1", "signs-2"):
        found = gate.registration(name)
        assert found is not None
        assert found.state is VersionState.ADMITTED
