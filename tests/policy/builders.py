"""Policies, calibrations and evidence made by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from xray_gate.core.access import Access
from xray_gate.core.evidence import (
    DetectorEvidence,
    Evidence,
    ModelFacts,
    ProbeFacts,
    RunState,
    SuspectedLabel,
)
from xray_gate.policy.calibration import Calibration
from xray_gate.policy.detector_specs import FAMILIES
from xray_gate.policy.document import PolicyDocument, PreprocessingSpec
from xray_gate.policy.files import Policy

PARAMETERS: dict[str, Any] = {
    "eta": 5.0,
    "size": 10,
    "planes": 2,
    "alpha": 10.0,
    "cap": 0.5,
    "pixel_ranges": ["unclipped", "valid"],
    "directions": 32,
    "sampling": "adaptive",
    "least_planes": 3,
    "stop_error": 0.01,
    "query_budget": 464,
}
SWEEP_PARAMETERS: dict[str, Any] = {
    "families": list(FAMILIES),
    "queries": 30_000,
    "query_budget": 30_000,
}
PREPROCESSING = PreprocessingSpec().model_dump(mode="json")
ARCHITECTURE = "sha256:kind-a"
SCORES = {
    "renyi_entropy.unclipped": 1.0,
    "renyi_entropy.valid": 1.0,
    "ats.unclipped": 0.2,
    "ats.valid": 0.2,
    "largest_share.unclipped": 0.4,
    "largest_share.valid": 0.4,
    "horizon_agreement.valid": 0.3,
}


def document(thresholds: Any = None, **changes: Any) -> dict[str, Any]:
    """A policy's contents as they would stand in YAML; `model_xray` takes further settings.

    The sweep is named where `trigger_sweep` gives its settings.
    """
    xray = {"size": 10, "planes": 2, "thresholds": thresholds, **changes.pop("model_xray", {})}
    sweep = {name: changes.pop(name) for name in ("trigger_sweep",) if name in changes}
    return {
        "apiVersion": "xray-gate/v1",
        "kind": "Policy",
        "name": "images",
        "match": {"registered_models": ["signs*"]},
        "detectors": {"model_xray": xray, **sweep},
        **changes,
    }


def write(path: Path, content: Mapping[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
    return path


def policy(
    thresholds: Any = None, calibration: Calibration | None = None, **changes: Any
) -> Policy:
    return Policy(PolicyDocument.model_validate(document(thresholds, **changes)), calibration, None)


def fixed(bound: float, suspicious: str = "below", statistic: str = "renyi_entropy.valid") -> Any:
    return {
        "statistic": statistic,
        "bound": bound,
        "suspicious": suspicious,
        "source": "table 1 of a paper",
    }


def calibrated(*statistics: str, **changes: Any) -> dict[str, Any]:
    return {
        "calibration": "calibration.json",
        "statistics": list(statistics or ["renyi_entropy.valid"]),
        **changes,
    }


def calibration(
    scores: Sequence[float] = tuple(range(1, 20)),
    statistic: str = "renyi_entropy.valid",
    **changes: Any,
) -> Calibration:
    """One reference of one architecture for each score."""
    references = [
        {
            "name": f"clean_{number}",
            "digest": f"sha256:{number}",
            "architecture": ARCHITECTURE,
            "probe_accuracy": 0.9,
            "scores": {**SCORES, statistic: float(score)},
        }
        for number, score in enumerate(scores)
    ]
    contents: dict[str, Any] = {
        "name": "small",
        "created": "2026-11-21T02:00:00+00:00",
        "command": "xray-gate calibrate",
        "xray_gate_version": "0.1.0",
        "parameters": PARAMETERS,
        "preprocessing": PREPROCESSING,
        "seed": 3,
        "probes_sha256": "sha256:probes",
        "references": references,
    }
    return Calibration.model_validate(contents | changes)


def labelled(
    clean: Sequence[float],
    groups: Mapping[str, Sequence[float]],
    environment: Mapping[str, str] | None = None,
    statistic: str = "renyi_entropy.valid",
) -> Calibration:
    """One architecture's clean references and groups of backdoored ones, by their scores."""
    kept = calibration(clean, statistic)
    attacked = [
        kept.references[0].model_copy(
            update={
                "name": f"{group}_{number}",
                "digest": f"sha256:{group}-{number}",
                "group": group,
                "scores": {**SCORES, statistic: float(score)},
            }
        )
        for group, scores in groups.items()
        for number, score in enumerate(scores)
    ]
    references = [
        item.model_copy(update={"environment": dict(environment or {})})
        for item in [*kept.references, *attacked]
    ]
    return kept.model_copy(update={"references": references})


def nested(scores: Mapping[str, Any]) -> dict[str, Any]:
    statistics: dict[str, Any] = {}
    for key, score in scores.items():
        name, _, pixel_range = key.partition(".")
        statistics.setdefault(name, {})[pixel_range] = score
    return {**statistics, "planes_drawn": {"unclipped": 2, "valid": 2}}


def xray(scores: Mapping[str, Any] | None = None, **changes: Any) -> DetectorEvidence:
    """A completed run with these scores (statistic to value), the rest as in `SCORES`."""
    done = DetectorEvidence(
        "model_xray",
        Access.HARD_LABEL,
        RunState.COMPLETED,
        statistics=nested({**SCORES, **(scores or {})}),
        suspected_labels=(SuspectedLabel(2, 0.7),),
        queries=400,
        seconds=0.1,
        parameters=PARAMETERS,
    )
    return replace(done, **changes)


def candidate(
    kind: str = "all-to-one", label: int | None = 2, source: int | None = None, **changes: Any
) -> dict[str, Any]:
    """A candidate as the sweep's statistics hold it: 34 of 35 images moved, for half allowed."""
    return {
        "family": "patch",
        "dose": 0.125,
        "text": "a 4x4 checkerboard patch at the bottom right",
        "reading": {"kind": kind, "label": label, "source": source},
        "moved": 34,
        "asked": 35,
        "share": 34 / 35,
        "allowance": 0.5,
        "p_value": 2e-10,
        **changes,
    }


def swept(found: Mapping[str, Any] | None = None, **statistics: Any) -> DetectorEvidence:
    """A completed sweep whose strongest candidate is `found`, with its p-value."""
    strongest = candidate() if found is None else dict(found)
    return DetectorEvidence(
        "trigger_sweep",
        Access.HARD_LABEL,
        RunState.COMPLETED,
        statistics={
            "flip_rate": 0.9,
            "total_flip_rate": 0.9,
            "flip_rate_by_label": [0.1, 0.1, 0.9, 0.1],
            "candidate": strongest,
            "p_value": strongest["p_value"],
            "excess": 0.9,
            "tested": [strongest],
            "candidates": 1680,
            "images": {"swept": 37, "held_out": 38},
            **statistics,
        },
        suspected_labels=(SuspectedLabel(2, 0.9),),
        queries=21_906,
        seconds=0.1,
        parameters=SWEEP_PARAMETERS,
    )


def harmless(**statistics: Any) -> DetectorEvidence:
    """A completed sweep that found nothing."""
    return swept(candidate(moved=4, share=4 / 35, p_value=1.0), **statistics)


def evidence(*detectors: DetectorEvidence, **changes: Any) -> Evidence:
    facts: dict[str, Any] = {
        "scan_id": "scan-1",
        "started_at": "2026-11-21T02:00:00+00:00",
        "finished_at": "2026-11-21T02:00:01+00:00",
        "model": ModelFacts("signs.onnx", "sha256:model", "onnx", 4, ARCHITECTURE),
        "probes": ProbeFacts(40, 4, "sha256:probes", 0.9),
        "detectors": detectors,
        "seed": 3,
        "environment": {"preprocessing": PREPROCESSING},
    }
    return Evidence(**{**facts, **changes})
