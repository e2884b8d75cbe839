"""Which policy decides where tags and flavours are asked for, on real databases."""

from dataclasses import replace
from typing import Any

import pytest
from mlflow.entities.model_registry import RegisteredModelTag

from tests.support.evidence import backdoored, clean
from tests.support.gate import KEPT, Gate, assert_refused
from xray_gate.core.evidence import Evidence
from xray_gate.policy.decision import decide
from xray_gate.registry.admitted import admitted_models
from xray_gate.scan.work import Settlement

ANY_ENTROPY = [{"statistic": "renyi_entropy.unclipped", "bound": 0.01, "source": "lenient"}]
LENIENT: dict[str, Any] = {"detectors": {"model_xray": {"thresholds": ANY_ENTROPY}}}


def matching(precedence: int = 1, **match: Any) -> dict[str, Any]:
    return {"precedence": precedence, "match": {"registered_models": ["signs*"], **match}}


def with_flavours(found: Evidence, *flavours: str) -> Evidence:
    return replace(found, model=replace(found.model, flavours=flavours))


def scanned(gate: Gate, found: Evidence, name: str = "signs") -> None:
    """What a runner does that has read the model's flavours."""
    gate.register(name)
    lease = gate.work.claim()
    assert lease is not None
    policy = gate.work.policy_for(lease, found.model.flavours)
    assert policy is not None
    gate.work.finish(lease, Settlement(found, decide(policy, found), policy, None, KEPT))


def tag(gate: Gate, key: str, value: str, name: str = "signs") -> None:
    gate.store.set_registered_model_tag(name, RegisteredModelTag(key, value))


def test_the_tags_of_the_registered_model_choose(gate: Gate) -> None:
    gate.set_policy("lenient", **matching(tags={"tier": "dev"}), **LENIENT)
    gate.judged(backdoored())
    with assert_refused("under policy images is failed"):
        gate.store.set_registered_model_alias("signs", "champion", 1)
    tag(gate, "tier", "dev")
    # By itself another tag promotes nothing, and makes nothing readable.
    assert gate.store.get_model_version("signs", 1).status == "FAILED_REGISTRATION"
    with assert_refused("signs/1 cannot be read"):
        gate.store.get_model_version_download_uri("signs", 1)
    assert gate.store.get_latest_versions("signs") == []
    gate.store.set_registered_model_alias("signs", "champion", 1)
    gate.judged(backdoored())
    assert gate.store.get_model_version("signs", 2).tags["xray_gate.policy"] == "lenient"


def test_another_tag_does_not_make_a_refused_version_readable(gate: Gate) -> None:
    gate.set_policy("trial", enforcement="audit", **matching(tags={"tier": "dev"}))
    gate.judged(backdoored())
    tag(gate, "tier", "dev")
    with assert_refused("signs/1 cannot be read: the verdict is failed"):
        gate.store.get_model_version_download_uri("signs", 1)
    gate.store.set_registered_model_alias("signs", "champion", 1)
    assert gate.store.get_model_version_download_uri("signs", 1) == KEPT
    gate.store.delete_registered_model_tag("signs", "tier")
    with assert_refused("signs/1 cannot be read: the verdict is failed"):
        gate.store.get_model_version_download_uri("signs", 1)


def test_the_tags_of_a_version_choose_nothing(gate: Gate) -> None:
    gate.set_policy("lenient", **matching(tags={"tier": "dev"}), **LENIENT)
    gate.register(tags=[RegisteredModelTag("tier", "dev")])
    assert gate.settle(backdoored()).admits is False
    with assert_refused("under policy images is failed"):
        gate.store.set_registered_model_alias("signs", "champion", 1)


def test_a_stricter_tag_stops_the_next_promotion(gate: Gate) -> None:
    strict = [{"statistic": "renyi_entropy.unclipped", "bound": 9.0, "source": "strict"}]
    detectors = {"model_xray": {"thresholds": strict}}
    gate.set_policy("strict", **matching(tags={"tier": "prod"}), detectors=detectors)
    gate.admitted()
    gate.store.set_registered_model_alias("signs", "challenger", 1)
    tag(gate, "tier", "prod")
    with assert_refused("under policy strict is failed"):
        gate.store.set_registered_model_alias("signs", "champion", 1)


def test_a_renamed_model_takes_its_tags_along(gate: Gate) -> None:
    gate.set_policy("lenient", **matching(tags={"tier": "dev"}), **LENIENT)
    gate.store.create_registered_model("signs", [RegisteredModelTag("tier", "dev")])
    gate.judged(backdoored())
    gate.store.rename_registered_model("signs", "signs-2")
    gate.store.set_registered_model_alias("signs-2", "champion", 1)
    gate.store.delete_registered_model_tag("signs-2", "tier")
    with assert_refused("renamed to 'signs-3': the verdict under policy images is failed"):
        gate.store.rename_registered_model("signs-2", "signs-3")


def test_the_flavours_that_a_scan_read_choose(gate: Gate) -> None:
    gate.set_policy("lenient", **matching(flavours=["sklearn"]), **LENIENT)
    scanned(gate, with_flavours(backdoored(), "onnx", "python_function"))
    with assert_refused("under policy images is failed"):
        gate.store.set_registered_model_alias("signs", "champion", 1)
    scanned(gate, with_flavours(backdoored(), "python_function", "sklearn"))
    gate.store.set_registered_model_alias("signs", "champion", 2)


def test_a_version_of_unknown_flavours_is_not_admitted_where_they_decide(gate: Gate) -> None:
    gate.admitted()
    assert gate.store.get_model_version("signs", 1).status == "READY"
    gate.set_policy("lenient", **matching(flavours=["sklearn"]), **LENIENT)
    with assert_refused("policy lenient is for it hangs on its flavours, .*`xray-gate rescan`"):
        gate.store.set_registered_model_alias("signs", "champion", 1)
    with assert_refused("hangs on its flavours"):
        gate.store.transition_model_version_stage("signs", 1, "Production", False)
    with assert_refused("hangs on its flavours"):
        gate.store.rename_registered_model("signs", "signs-2")
    gate.set_policy("lenient", **matching(-1, flavours=["sklearn"]), **LENIENT)
    gate.store.set_registered_model_alias("signs", "champion", 1)


def test_a_waiting_version_of_a_flavour_policy_waits_and_is_not_promoted(gate: Gate) -> None:
    gate.set_policy(match={"registered_models": ["signs*"], "flavours": ["onnx"]})
    assert gate.register().status == "PENDING_REGISTRATION"
    with assert_refused("hangs on its flavours"):
        gate.store.set_registered_model_alias("signs", "champion", 1)
    assert gate.register("cats").status == "FAILED_REGISTRATION"


def test_a_copy_is_judged_by_the_flavours_of_its_original(gate: Gate) -> None:
    gate.set_policy("lenient", **matching(flavours=["sklearn"]), **LENIENT)
    scanned(gate, with_flavours(backdoored(), "sklearn"))
    gate.store.create_registered_model("signs-copy")
    original = gate.store.get_model_version("signs", 1)
    copied = gate.store.copy_model_version(original, "signs-copy")
    assert (copied.status, copied.tags["xray_gate.policy"]) == ("READY", "lenient")


def test_references_are_chosen_by_each_versions_policy(gate: Gate) -> None:
    gate.admitted()
    gate.set_policy("strict", **matching(flavours=["sklearn"]))
    scanned(gate, with_flavours(clean(), "onnx"))
    maker = gate.plain.ManagedSessionMaker
    found = admitted_models(
        maker, gate.ledger, lambda _: pytest.fail("nothing is fetched yet"), "default", "signs"
    )
    assert [model.name for model in found.models] == ["signs/2"]
    (why,) = found.left_out
    assert "signs/1: signs: whether the policy strict is for it hangs on its flavours" in why
