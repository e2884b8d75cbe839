"""B3D's evidence and reversed triggers, as the detector hands them over."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.report.builders import decision, evidence, report
from tests.report.sweep_builders import shown_trigger
from xray_gate.core.access import Access
from xray_gate.core.evidence import DetectorEvidence, RunState, SuspectedLabel
from xray_gate.core.verdict import DetectorJudgement, Outcome, Verdict
from xray_gate.probing.shown_trigger import ShownTrigger
from xray_gate.probing.trigger_files import trigger_file
from xray_gate.report.json_v1 import dump

B3D_SENTENCE = "a reversed trigger of 4.0 pixels sends 98% of the held-back images to label 3"


def b3d_statistics(**changes: Any) -> dict[str, Any]:
    """Four labels, of which the last has the smallest mask by far; label 1 was not reached."""
    facts: dict[str, Any] = {
        "mask_l1": [30.5, 40.25, 36.0, 4.0],
        "anomaly_index": [0.55, -1.2, -0.4, 5.678],
        "success_rate": [0.99, 0.4, 1.0, 0.98],
        "success_rate_by_class": [{"1": 0.99}, {"0": 0.4}, {"0": 1.0}, {"0": 0.98}],
        "reached": [True, False, True, True],
        "iterations": [212, 300, 1250, 160],
        "stopped": [
            "the mask has not shrunk for 60 iterations",
            "all 300 iterations were made",
            "the mask has not shrunk for 60 iterations",
            "the mask has not shrunk for 60 iterations",
        ],
        "held_back": 100,
    }
    return facts | changes


def b3d(**changes: Any) -> DetectorEvidence:
    found = DetectorEvidence(
        "b3d",
        Access.SOFT_LABEL,
        RunState.COMPLETED,
        statistics=b3d_statistics(),
        suspected_labels=(SuspectedLabel(3, 0.98),),
        queries=1_234_567,
        seconds=61.25,
        parameters={"iterations": 300, "images": "probes", "query_budget": 9_000_000},
    )
    return replace(found, **changes)


def b3d_report(
    found: DetectorEvidence | None = None, outcome: Outcome = Outcome.FAILED
) -> dict[str, Any]:
    """Model X-ray is inconclusive, so that the verdict rests on B3D."""
    found = found or b3d()
    verdicts = {Outcome.FAILED: Verdict.FAILED, Outcome.PASSED: Verdict.PASSED}
    reason = B3D_SENTENCE if outcome is Outcome.FAILED else "no label's trigger is far smaller"
    threshold = {"bound": 2.0, "suspicious": "above", "source": "policy default"}
    judgements = (
        DetectorJudgement("model_xray", Outcome.INCONCLUSIVE, "no thresholds; calibrate"),
        DetectorJudgement(found.name, outcome, reason, {"anomaly_index": threshold}),
    )
    return report(
        evidence(detectors=(evidence().detectors[0], found)),
        decision(
            verdict=verdicts.get(outcome, Verdict.UNDECIDED),
            reasons=(f"b3d: {reason}",),
            judgements=judgements,
        ),
    )


def reversed_trigger(shape: tuple[int, int, int] = (3, 8, 8), **changes: Any) -> ShownTrigger:
    """A soft 2x2 mask in a corner, at most .5, that lets a red pattern through."""
    mask = np.zeros(shape[1:], np.float32)
    mask[:2, :2] = [[0.5, 0.25], [0.25, 0.125]]
    pattern = np.zeros(shape, np.float32)
    pattern[0] = 1.0
    plain = shown_trigger(shape, 4, heat_map=None, dose_curve=None)
    shown = replace(
        plain,
        detector="b3d",
        text="a reversed trigger of 1.1 pixels for label 3",
        after=np.asarray((1 - mask) * plain.before + mask * pattern, np.float32),
        mask=mask,
        pattern=pattern,
        label=3,
    )
    return replace(shown, **changes)


def scanned(
    folder: Path,
    triggers: list[ShownTrigger],
    report: dict[str, Any] | None = None,
    scan_id: str = "3f2c9a",
) -> Path:
    """A scan's folder as `write_report` leaves it; `report` accuses label 3."""
    (folder / "triggers").mkdir(parents=True)
    (folder / "report.json").write_text(dump(report or b3d_report()))
    for trigger in triggers:
        made = trigger_file(trigger, scan_id)
        if made is not None:
            (folder / "triggers" / made[0]).write_bytes(made[1])
    (folder / "triggers" / "trigger_000.png").write_bytes(b"a figure")
    return folder
