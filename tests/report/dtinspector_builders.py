"""DTInspector's evidence and patches, as the detector hands them over."""

from dataclasses import replace
from typing import Any

import numpy as np

from tests.report.b3d_builders import reversed_trigger
from tests.report.builders import decision, evidence, report
from xray_gate.core.access import Access
from xray_gate.core.evidence import DetectorEvidence, RunState, SuspectedLabel
from xray_gate.core.verdict import DetectorJudgement, Outcome, Verdict
from xray_gate.probing.shown_trigger import ShownTrigger

DTINSPECTOR_SENTENCE = "a patch that changes 95% of the training samples that the model most"
TRAINING = {"source": "train.npz", "samples": 20_000, "sha256": "sha256:" + "0a" * 32}


def dtinspector_statistics(**changes: Any) -> dict[str, Any]:
    """Six labels: the patch for 3 does not carry over, that for 4 was not learned, 5 is too few."""
    facts: dict[str, Any] = {
        "transfer_ratio": [1.0, 0.96, 1.0, 0.12, 0.3, None],
        "fitted_ratio": [1.0, 0.98, 0.96, 0.95, 0.4, None],
        "held_back_ratio": [0.96, 0.92, 1.0, 0.88, 0.36, None],
        "anomaly_index": [0.0, 0.56, 0.0, 12.4, 3.2, None],
        "mask_l1": [30.5, 40.25, 36.0, 4.0, 55.0, None],
        "samples": [4000, 5000, 4500, 6000, 480, 12],
        "labels_not_tested": [5],
        "training_accuracy": 0.98855,
        "training_samples": 20_000,
        "no_gradients": None,
    }
    return facts | changes


def dtinspector(**changes: Any) -> DetectorEvidence:
    found = DetectorEvidence(
        "dtinspector",
        Access.GRADIENT,
        RunState.COMPLETED,
        statistics=dtinspector_statistics(),
        suspected_labels=(SuspectedLabel(3, 0.88),),
        queries=70_592,
        seconds=98.4,
        parameters={"samples": 50, "patches_by": "gradients_or_queries", "query_budget": 900_000},
    )
    return replace(found, **changes)


def dtinspector_report(
    found: DetectorEvidence | None = None, outcome: Outcome = Outcome.FAILED, **changes: Any
) -> dict[str, Any]:
    """Model X-ray is inconclusive, so that the verdict rests on DTInspector."""
    found = found or dtinspector()
    verdicts = {Outcome.FAILED: Verdict.FAILED, Outcome.PASSED: Verdict.PASSED}
    reason = DTINSPECTOR_SENTENCE if outcome is Outcome.FAILED else "patches carry over"
    threshold = {"bound": 3.5, "suspicious": "above", "source": "policy default"}
    judgements = (
        DetectorJudgement("model_xray", Outcome.INCONCLUSIVE, "no thresholds; calibrate"),
        DetectorJudgement(found.name, outcome, reason, {"anomaly_index": threshold}),
    )
    facts = {"environment": {"training_data": TRAINING}} | changes
    return report(
        evidence(detectors=(evidence().detectors[0], found), **facts),
        decision(
            verdict=verdicts.get(outcome, Verdict.UNDECIDED),
            reasons=(f"dtinspector: {reason}",),
            judgements=judgements,
        ),
    )


def learned_patch(**changes: Any) -> ShownTrigger:
    """The patch for label 3 on four unconfident samples, of which one changes."""
    facts: dict[str, Any] = {
        "detector": "dtinspector",
        "text": "a patch that changes confident samples of label 3, on unconfident ones",
        "labels_before": np.full(4, 3),
        "labels_after": np.array([3, 3, 0, 3]),
    }
    return reversed_trigger(**(facts | changes))
