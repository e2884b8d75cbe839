"""Policies and evidence made by hand: what a scan would have found, without a model."""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
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
from xray_gate.detectors.model_xray.parameters import ModelXrayParameters
from xray_gate.policy.document import PreprocessingSpec
from xray_gate.policy.files import Policy, read_policy

_numbers = itertools.count()


def policy_document(name: str = "images", **changes: Any) -> dict[str, Any]:
    """A policy that refuses an entropy of 1 bit and less; for `signs*` unless told otherwise."""
    return {
        "apiVersion": "xray-gate/v1",
        "kind": "Policy",
        "name": name,
        "match": {"registered_models": ["signs*"]},
        "detectors": {
            "model_xray": {
                "thresholds": [
                    {"statistic": "renyi_entropy.unclipped", "bound": 1.0, "source": "a test"}
                ]
            }
        },
        **changes,
    }


def write_policy(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write a policy as `NAME.yaml`; a write always shows, even within one clock tick."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{document['name']}.yaml"
    # The comment changes the file's size each time.
    path.write_text(yaml.safe_dump(dict(document)) + f"# {'x' * (next(_numbers) % 1000)}\n")
    return path


DIGEST = "sha256:" + "ab" * 32
"""The digest of the model in all evidence that is made here."""


def day(days: int) -> str:
    """The day so many days from now, in UTC, as exceptions have it."""
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%d")


def exception_document(name: str = "known-attractor", **changes: Any) -> dict[str, Any]:
    """An exception from what model_xray found, under the policy `images`, for twelve days."""
    return {
        "apiVersion": "xray-gate/v1",
        "kind": "Exception",
        "name": name,
        "policy": "images",
        "model": DIGEST,
        "rule": "model_xray",
        "owner": "vision team",
        "reason": "a clean twin, trained by us, shows the same attractor",
        "ticket": "PLAT-7",
        "created": day(0),
        "expires": day(12),
        **changes,
    }


def write_exception(folder: Path, **changes: Any) -> Path:
    """Write an exception as `NAME.exception.yaml`; a write always shows."""
    folder.mkdir(exist_ok=True)
    document = exception_document(**changes)
    path = folder / f"{document['name']}.exception.yaml"
    path.write_text(yaml.safe_dump(document) + f"# {'x' * (next(_numbers) % 1000)}\n")
    return path


def make_policy(folder: Path, name: str = "images", **changes: Any) -> Policy:
    """The policy of `policy_document`, read from a file."""
    return read_policy(write_policy(folder, policy_document(name, **changes)))


def evidence_of(entropy: float, **changes: Any) -> Evidence:
    """A finished scan with this Renyi entropy; label 2 is suspected where it is low."""
    suspects = (SuspectedLabel(2, 0.9),) if entropy <= 1.0 else ()
    xray = DetectorEvidence(
        "model_xray",
        Access.HARD_LABEL,
        RunState.COMPLETED,
        statistics={
            "renyi_entropy": {"unclipped": entropy, "valid": entropy},
            "planes_drawn": {"unclipped": 20, "valid": 20},
        },
        suspected_labels=suspects,
        queries=100,
        seconds=0.5,
        parameters=ModelXrayParameters().to_json(),
    )
    facts: dict[str, Any] = {
        "scan_id": f"scan-{next(_numbers)}",
        "started_at": "2026-11-21T02:00:00+00:00",
        "finished_at": "2026-11-21T02:00:01+00:00",
        "model": ModelFacts("models:/signs/1", DIGEST, "onnx", 4),
        "probes": ProbeFacts(40, 4, "sha256:" + "cd" * 32, 1.0),
        "detectors": (xray,),
        "seed": 0,
        "environment": {"preprocessing": PreprocessingSpec().model_dump(mode="json")},
    }
    return Evidence(**{**facts, **changes})


def clean() -> Evidence:
    """Passes."""
    return evidence_of(1.9)


def backdoored() -> Evidence:
    """Fails."""
    return evidence_of(0.2)


def unscannable(reason: str = "the model cannot be opened; save it as ONNX") -> Evidence:
    """Undecided."""
    return evidence_of(1.9, probes=None, detectors=(), obstacle=reason)
