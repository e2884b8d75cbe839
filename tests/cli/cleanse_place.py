"""A backdoored ONNX model, its poisoned training data and a scan, for `xray-gate cleanse`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.making import Ended
from tests.fakes.soft_backdoors import CORNER, OTHER_CORNER
from tests.mitigation.patches import patch
from tests.report.b3d_builders import b3d_report, reversed_trigger, scanned
from tests.support.planted import CLASSES, SIDE, planted_model
from tests.support.poisoned import Poisoned, poisoned
from xray_gate.core.access import Access
from xray_gate.core.evidence import DetectorEvidence, RunState, SuspectedLabel
from xray_gate.core.verdict import Outcome
from xray_gate.probing.shown_trigger import ShownTrigger
from xray_gate.scan.digest import model_digest


@dataclass(frozen=True)
class CleansePlace:
    """A folder with a backdoored model, a scan of it that accuses label 3, and training data.

    `data` are these training data. The table goes to `out`.
    """

    folder: Path
    model: Path
    report: Path
    training: Path
    out: Path
    data: Poisoned


def shown_patch(label: int = 3, **changes: Any) -> ShownTrigger:
    found = patch(label, CORNER if label == 3 else OTHER_CORNER)
    facts = {"mask": found.mask, "pattern": found.pattern, "label": label}
    return reversed_trigger((1, SIDE, SIDE), **({"detector": "dtinspector"} | facts | changes))


def inspected(
    model: Path,
    accused: tuple[int, ...] = (3,),
    outcome: Outcome = Outcome.FAILED,
    name: str = "dtinspector",
) -> dict[str, Any]:
    """The report of a scan in which `name` suspects the labels in `accused`."""
    found = DetectorEvidence(
        name,
        Access.SOFT_LABEL,
        RunState.COMPLETED,
        suspected_labels=tuple(SuspectedLabel(label, 0.8) for label in accused),
        queries=1000,
        seconds=1.5,
    )
    report = b3d_report(found, outcome)
    report["model"] |= {"digest": model_digest(model), "classes": CLASSES}
    return report


def make_cleanse_place(folder: Path) -> CleansePlace:
    model = planted_model(folder / "model.onnx", {3: CORNER})
    data = poisoned(0)
    return CleansePlace(
        folder,
        model,
        scanned(folder / "scan", [shown_patch()], inspected(model)),
        data.write(folder / "train.npz"),
        folder / "samples.parquet",
        data,
    )


def cleanse_refused(ended: Ended, place: CleansePlace) -> str:
    """What a command that ended with 2 said; it left nothing behind."""
    assert (ended.code, ended.out) == (2, "")
    assert not place.out.exists()
    assert not list(place.folder.rglob("*.part"))
    return ended.err
