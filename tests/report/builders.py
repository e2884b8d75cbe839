"""Evidence, decisions and planes as a scan would hand them to the reports."""

from typing import Any

import numpy as np

from xray_gate.core.access import Access
from xray_gate.core.evidence import (
    AnswerFacts,
    DetectorEvidence,
    Evidence,
    ModelFacts,
    ProbeFacts,
    RunState,
    SuspectedLabel,
    WayOfAsking,
)
from xray_gate.core.verdict import Decision, DetectorJudgement, Enforcement, Outcome, Verdict
from xray_gate.probing.planes import PixelRange, ScannedPlane
from xray_gate.report.json_v1 import report_json

HOSTILE = "<script>alert('x')</script>\"&\x00\x1b[31m\x9b2J\u202e\n{{ 7 * 7 }}" + "long" * 5000

THRESHOLD = {
    "bound": 1.21,
    "suspicious": "below",
    "p_value": 0.05,
    "level": 0.05,
    "source": "calibration cifar10-small (24 clean references, 2026-11-21)",
}


def answering(clean: tuple[int, int, int], points: tuple[int, int, int]) -> AnswerFacts:
    """Asked, disagreed and rounded, for either way."""
    return AnswerFacts(2_690, WayOfAsking(*clean), WayOfAsking(*points))


def evidence(**changes: Any) -> Evidence:
    xray = DetectorEvidence(
        "model_xray",
        Access.HARD_LABEL,
        RunState.COMPLETED,
        statistics={
            "renyi_entropy": {"unclipped": 0.71, "valid": 1.418},
            "ats": {"unclipped": 0.224, "valid": 0.126},
            "label_shares": {"unclipped": [0.2, 0.1, 0.0, 0.7], "valid": [0.4, 0.3, 0.2, 0.1]},
        },
        suspected_labels=(SuspectedLabel(3, 0.7),),
        queries=120_000,
        seconds=12.34,
        parameters={"planes": 6, "size": 100, "ranges": ("unclipped", "valid")},
    )
    inspector = DetectorEvidence(
        "dtinspector", Access.GRADIENT, RunState.SKIPPED, reason="needs the training data"
    )
    facts: dict[str, Any] = {
        "scan_id": "3f2c9a",
        "started_at": "2026-11-21T02:30:00Z",
        "finished_at": "2026-11-21T02:30:21Z",
        "model": ModelFacts("models:/signs/7", "sha256:" + "ab" * 32, "onnx", 4, "f00d"),
        "probes": ProbeFacts(200, 4, "sha256:" + "cd" * 32, 0.78),
        "detectors": (xray, inspector),
        "seed": 7,
        "environment": {"xray_gate": "0.1.0", "device": "cpu"},
        "answers": AnswerFacts(2_690, WayOfAsking(1_710, 0, 0), WayOfAsking(32, 0, 0)),
    }
    return Evidence(**{**facts, **changes})


def decision(**changes: Any) -> Decision:
    facts: dict[str, Any] = {
        "verdict": Verdict.FAILED,
        "reasons": ("model_xray: renyi_entropy.unclipped 0.71 is at or below 1.21",),
        "judgements": (
            # Not in the order of the evidence: they belong together by name.
            DetectorJudgement("dtinspector", Outcome.SKIPPED),
            DetectorJudgement(
                "model_xray", Outcome.FAILED, thresholds={"renyi_entropy.unclipped": THRESHOLD}
            ),
        ),
        "enforcement": Enforcement.ENFORCE,
    }
    return Decision(**{**facts, **changes})


def report(found: Evidence | None = None, decided: Decision | None = None) -> dict[str, Any]:
    return report_json(found or evidence(), decided or decision(), "default", "sha256:" + "ef" * 32)


def unscannable() -> dict[str, Any]:
    found = evidence(detectors=(), probes=None, obstacle="the model process died; raise its memory")
    return report(
        found,
        decision(verdict=Verdict.UNDECIDED, reasons=("it was not scanned",), judgements=()),
    )


def plane(
    index: int = 0, size: int = 20, classes: int = 4, pixel_range: PixelRange = "valid"
) -> ScannedPlane:
    """Four quadrants, those of the first row (v low) of label 0 and 1, above them 2 and the last.

    The samples lie in a triangle around the centre.
    """
    labels = np.zeros((size, size), dtype=np.int32)
    half = size // 2
    labels[:half, half:] = 1
    labels[half:, :half] = min(2, classes - 1)
    labels[half:, half:] = classes - 1
    step = max(1, size // 10)
    cells = np.array([[half - step, half - step], [half - step, half + step], [half + step, half]])
    samples = np.zeros((3, 3, 8, 8), dtype=np.float32)
    samples[0, 0], samples[1, 1], samples[2, 2] = 1.0, 1.0, 1.0
    return ScannedPlane(
        index, pixel_range, labels, cells, samples, (0, 1, classes - 1), (0, 0, 1), 1.23, 0.18
    )
