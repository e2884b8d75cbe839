"""A backdoored ONNX model, a scan of it, and inputs, for `xray-gate filter`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.cli.making import Ended
from tests.fakes.soft_backdoors import CORNER, OTHER_CORNER
from tests.mitigation.triggers import trigger
from tests.report.b3d_builders import b3d_report, reversed_trigger, scanned
from tests.support.planted import SIDE, planted_model, samples, with_patch, write_samples
from xray_gate.core.verdict import Outcome
from xray_gate.probing.batches import FloatArray
from xray_gate.probing.shown_trigger import ShownTrigger
from xray_gate.scan.digest import model_digest


@dataclass(frozen=True)
class Place:
    """A folder with a backdoored model, a scan of it, probes and inputs; the table goes to `out`.

    Of the inputs the last 40 carry the trigger.
    """

    folder: Path
    model: Path
    report: Path
    probes: Path
    inputs: Path
    out: Path


def shown(label: int = 3) -> ShownTrigger:
    found = trigger(label, CORNER if label == 3 else OTHER_CORNER)
    shape = (1, SIDE, SIDE)
    return reversed_trigger(shape, mask=found.mask, pattern=found.pattern, label=label)


def report_of(model: Path, outcome: Outcome = Outcome.FAILED) -> dict[str, Any]:
    """Of a scan that accuses label 3."""
    report = b3d_report(outcome=outcome)
    report["model"]["digest"] = model_digest(model)
    return report


def carried(count: int, seed: int) -> FloatArray:
    """Samples of other labels than 3, with the patch."""
    images, labels = samples(2 * count, seed)
    return with_patch(images[labels != 3][:count], CORNER)


def make_place(folder: Path) -> Place:
    model = planted_model(folder / "model.onnx", {3: CORNER})
    images = np.concatenate([samples(60, 2)[0], carried(40, 3)])
    np.savez(folder / "inputs.npz", images=images)
    return Place(
        folder,
        model,
        scanned(folder / "scan", [shown()], report_of(model)),
        write_samples(folder / "probes.npz", 100, 1),
        folder / "inputs.npz",
        folder / "scores.parquet",
    )


def untouched(place: Place) -> bool:
    """Whether neither a table nor a part of one is there."""
    return not place.out.exists() and not list(place.folder.glob(".*"))


def refused(ended: Ended, place: Place) -> str:
    """What a command that ended with 2 said."""
    assert (ended.code, ended.out) == (2, "")
    assert untouched(place)
    return ended.err
