"""Three detectors, each ended as a test wants it, and policies over them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.policy.builders import candidate, fixed, harmless, policy, swept, xray
from xray_gate.core.access import Access
from xray_gate.core.evidence import DetectorEvidence, RunState
from xray_gate.core.verdict import Outcome
from xray_gate.policy.detector_specs import B3DSpec
from xray_gate.policy.files import Policy

XRAY, SWEEP, B3D = NAMES = ("model_xray", "trigger_sweep", "b3d")
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    XRAY: {"size": 10, "planes": 2, "thresholds": [fixed(1.0)]},
    SWEEP: {},
    B3D: {},
}


def reversed_masks(smallest: float = 90.0) -> DetectorEvidence:
    """A completed run of B3D on four labels; under 25 the smallest mask is suspicious."""
    return DetectorEvidence(
        B3D,
        Access.SOFT_LABEL,
        RunState.COMPLETED,
        statistics={
            "mask_l1": [smallest, 100.0, 110.0, 120.0],
            "anomaly_index": [0.0] * 4,
            "success_rate": [1.0] * 4,
            "reached": [True] * 4,
        },
        parameters={**B3DSpec().settings(), "query_budget": 1000},
    )


COMPLETED = {
    (XRAY, Outcome.PASSED): xray({"renyi_entropy.valid": 2.0}),
    (XRAY, Outcome.FAILED): xray({"renyi_entropy.valid": 0.5}),
    (SWEEP, Outcome.PASSED): harmless(excess=-0.5),
    (SWEEP, Outcome.FAILED): swept(),
    (B3D, Outcome.PASSED): reversed_masks(),
    (B3D, Outcome.FAILED): reversed_masks(5.0),
}


def ended(name: str, outcome: Outcome) -> DetectorEvidence:
    """Evidence that a policy which uses the detector judges so."""
    found = COMPLETED.get((name, outcome))
    state = RunState.COMPLETED if found else RunState(outcome.value)
    usual = COMPLETED[name, Outcome.PASSED]
    return found or replace(usual, state=state, reason=f"because of {name}", statistics={})


def swept_with(p_value: float, excess: Any = -0.5, **changes: Any) -> DetectorEvidence:
    """A sweep that found something at this p-value; few of its images moved."""
    found = candidate(moved=4, share=4 / 35, p_value=p_value)
    return replace(swept(found, excess=excess), **changes)


def three(
    modes: Mapping[str, str] | None = None,
    decision: Mapping[str, Any] | None = None,
    near: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Policy:
    """All three detectors, required unless `modes` says otherwise; `near` is b3d's only_near."""
    named = {
        name: {
            **SETTINGS[name],
            **changes.pop(name, {}),
            "mode": (modes or {}).get(name, "required"),
        }
        for name in NAMES
    }
    if near is not None:
        named[B3D]["only_near"] = dict(near)
    if decision is not None:
        changes["decision"] = dict(decision)
    return policy(detectors=named, **changes)
