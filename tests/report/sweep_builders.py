"""A trigger sweep's evidence and triggers, as the detector hands them over."""

from dataclasses import replace
from typing import Any

import numpy as np

from tests.report.builders import decision, evidence, report
from xray_gate.core.access import Access
from xray_gate.core.evidence import DetectorEvidence, RunState, SuspectedLabel
from xray_gate.core.verdict import DetectorJudgement, Outcome, Verdict
from xray_gate.probing.shown_trigger import DoseCurve, ShownTrigger

SENTENCE = "a 2x2 white patch at the bottom right sends 97 % of the images to label 3"

LIMIT = {
    "share_of_trials": 0.95,
    "trials": 20,
    "kinds": [
        {
            "kind": "patch",
            "text": "patches from 3x3 pixels",
            "smallest": 0.094,
            "rates": [[0.031, 0.25], [0.094, 1.0]],
        },
        {"kind": "smooth_warp", "text": "warps", "smallest": None, "rates": [[0.01, 0.5]]},
    ],
}


def one_row(kind: str = "all-to-one", **changes: Any) -> dict[str, Any]:
    """One row of the final test: 35 of 36 images go to label 3."""
    source = 1 if kind == "source-specific" else None
    label = None if kind == "all-to-all" else 3
    row: dict[str, Any] = {
        "family": "patch",
        "dose": 0.25,
        "text": "a 2x2 white patch at the bottom right",
        "reading": {"kind": kind, "label": label, "source": source},
        "moved": 35,
        "asked": 36,
        "share": 35 / 36,
        "allowance": 0.5,
        "p_value": 2e-9,
    }
    return row | changes


def statistics(**changes: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "flip_rate": 35 / 36,
        "total_flip_rate": 0.9,
        "flip_rate_by_label": [0.1, 0.2, 0.0, 1.0],
        "candidate": one_row(),
        "p_value": 2e-9,
        "excess": 0.94,
        "tested": [one_row(), one_row("all-to-all", share=0.9, allowance=0.8, p_value=0.31)],
        "candidates": 1068,
        "images": {"swept": 35, "held_out": 36},
    }
    return facts | changes


def sweep(**changes: Any) -> DetectorEvidence:
    found = DetectorEvidence(
        "trigger_sweep",
        Access.HARD_LABEL,
        RunState.COMPLETED,
        statistics=statistics(),
        suspected_labels=(SuspectedLabel(3, 35 / 36),),
        queries=20_533,
        seconds=4.3,
        parameters={"families": ["patch"], "queries": 30_000, "query_budget": 30_000},
    )
    return replace(found, **changes)


def swept_report(
    found: DetectorEvidence | None = None, outcome: Outcome = Outcome.FAILED
) -> dict[str, Any]:
    """Model X-ray is inconclusive, so that the verdict rests on the sweep."""
    found = found or sweep()
    verdicts = {Outcome.FAILED: Verdict.FAILED, Outcome.PASSED: Verdict.PASSED}
    reason = found.reason or (SENTENCE if outcome is Outcome.FAILED else "no trigger stands out")
    threshold = {"bound": 0.01, "suspicious": "below", "source": "policy default"}
    judgements = (
        DetectorJudgement("model_xray", Outcome.INCONCLUSIVE, "no thresholds; calibrate"),
        DetectorJudgement(
            "trigger_sweep",
            outcome,
            reason,
            {"p_value": threshold} if outcome in verdicts else {},
        ),
    )
    return report(
        evidence(detectors=(evidence().detectors[0], found)),
        decision(
            verdict=verdicts.get(outcome, Verdict.UNDECIDED),
            reasons=(f"trigger_sweep: {reason}",),
            judgements=judgements,
        ),
    )


CURVE = DoseCurve(
    "the patch's side over the image's", (0.125, 0.25, 0.5), {3: (0.0, 0.9, 1.0)}, 0.25
)


def shown_trigger(
    shape: tuple[int, int, int] = (3, 8, 8), images: int = 8, **changes: Any
) -> ShownTrigger:
    """A white patch of a quarter of the side on grey images; all but the first go to label 3."""
    before = np.full((images, *shape), 0.25, dtype=np.float32)
    after = before.copy()
    after[:, :, -(shape[1] // 4) :, -(shape[2] // 4) :] = 1.0
    labels = np.arange(images, dtype=np.int64) % 3
    moved = np.full(images, 3, dtype=np.int64)
    moved[:1] = labels[:1]
    shown = ShownTrigger(
        "trigger_sweep",
        "a 2x2 white patch at the bottom right",
        before,
        after,
        labels,
        moved,
        heat_map=np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4),
        dose_curve=CURVE,
    )
    return replace(shown, **changes)
