from typing import Any

import pytest
from pydantic import ValidationError

from tests.policy.builders import policy
from xray_gate.detectors.all_detectors import ALL_DETECTORS
from xray_gate.detectors.b3d.parameters import B3DParameters
from xray_gate.detectors.model_xray.parameters import ModelXrayParameters
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.parameters import TriggerSweepParameters
from xray_gate.policy.detector_spec import DetectorSpec, OnlyNear
from xray_gate.policy.detector_specs import (
    FAMILIES,
    B3DSpec,
    Detectors,
    ModelXraySpec,
    TriggerSweepSpec,
)
from xray_gate.policy.files import Policy


def test_the_families_are_those_of_the_detector() -> None:
    assert list(FAMILIES) == list(ALL_FAMILIES)


def test_a_policy_can_name_every_detector_that_can_run() -> None:
    assert list(Detectors.model_fields) == [*ALL_DETECTORS, "others"]


@pytest.mark.parametrize("name", ALL_DETECTORS)
def test_a_detector_is_never_told_when_it_runs_or_whether_it_counts(name: str) -> None:
    plain = getattr(Detectors.model_validate({name: {}}), name)
    near = OnlyNear(detectors=["model_xray"])
    changed = plain.model_copy(update={"only_near": near, "mode": "optional"})
    assert changed.settings() == plain.settings()


def test_the_defaults_are_those_of_the_detectors() -> None:
    assert ModelXraySpec().settings() == ModelXrayParameters().to_json()
    assert TriggerSweepSpec().settings() == TriggerSweepParameters().to_json()
    assert B3DSpec().settings() == B3DParameters().to_json()


@pytest.mark.parametrize(
    ("spec", "changed"),
    [
        (ModelXraySpec(mode="optional", size=12, eta=2, pixel_ranges=["valid"]), "size"),
        (TriggerSweepSpec(mode="off", families=["warp"], queries=9_000, level=0.5), "queries"),
    ],
)
def test_settings_are_the_parameters_that_a_detector_is_built_from(
    spec: DetectorSpec, changed: str
) -> None:
    name = "model_xray" if isinstance(spec, ModelXraySpec) else "trigger_sweep"
    detector = ALL_DETECTORS[name].from_json(spec.settings())
    assert dict(detector.parameters) == spec.settings()
    assert detector.parameters[changed] == getattr(spec, changed)


def test_the_order_in_which_families_are_named_does_not_count() -> None:
    named = TriggerSweepSpec(families=["warp", "patch"])
    assert named.settings()["families"] == ["patch", "warp"]
    assert TriggerSweepSpec(families=list(reversed(FAMILIES))).settings() == (
        TriggerSweepSpec().settings()
    )


def test_a_detector_that_is_not_named_is_off() -> None:
    detectors = Detectors(trigger_sweep=TriggerSweepSpec(mode="optional"))
    assert list(detectors.named()) == ["trigger_sweep"]
    assert detectors.mode("trigger_sweep") == "optional"
    assert detectors.mode("model_xray") == "off"
    assert detectors.mode("from_the_future") == "off"


def test_detectors_are_named_in_the_order_of_a_report() -> None:
    detectors = Detectors.model_validate({"trigger_sweep": {}, "model_xray": {}})
    assert list(detectors.named()) == ["model_xray", "trigger_sweep"]


def test_one_detector_can_be_kept_alone() -> None:
    both = Detectors(model_xray=ModelXraySpec(size=9), trigger_sweep=TriggerSweepSpec())
    assert both.only("model_xray") == Detectors(model_xray=ModelXraySpec(size=9))
    assert both.only("trigger_sweep") == Detectors(trigger_sweep=TriggerSweepSpec())
    assert both.only("b3d").named() == {}


@pytest.mark.parametrize("name", ["model_xray", "trigger_sweep"])
def test_naming_a_detector_without_saying_anything_is_an_error(name: str) -> None:
    with pytest.raises(ValidationError, match=r"says nothing; write `\{\}` after it"):
        Detectors.model_validate({name: None})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"trigger_sweep": {}},
        {"trigger_sweep": {"families": ["frame"], "queries": 8_000, "level": 1e-3}},
        {"detectors": {"trigger_sweep": {}}},
    ],
)
def test_a_policy_survives_its_json(changes: dict[str, Any]) -> None:
    before = policy(**changes)
    after = Policy.from_json(before.to_json())
    assert after == before
    assert after.digest == before.digest


def test_a_detector_that_is_not_named_leaves_no_mark_on_the_digest() -> None:
    """So that policies from before a detector was added keep theirs."""
    assert list(policy().to_json()["document"]["detectors"]) == ["model_xray"]


@pytest.mark.parametrize(
    "change",
    [{"mode": "optional"}, {"families": ["patch"]}, {"queries": 8_000}, {"level": 0.05}],
)
def test_the_digest_changes_with_every_setting_of_the_sweep(change: dict[str, Any]) -> None:
    assert policy(trigger_sweep=change).digest != policy(trigger_sweep={}).digest
    assert policy(trigger_sweep={}).digest != policy().digest
