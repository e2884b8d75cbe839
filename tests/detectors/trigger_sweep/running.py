"""Sweeps of fake models."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.detectors.trigger_sweep.making import to_label
from tests.fakes.backdoors import BackdooredOracle, white_in_the_corner
from tests.fakes.oracles import FakeOracle, RegionsOracle
from xray_gate.core.evidence import RunState
from xray_gate.detectors.interface import DetectorRun, Progress, Subject
from xray_gate.detectors.trigger_sweep.detector import TriggerSweep
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.parameters import TriggerSweepParameters
from xray_gate.probing.batches import FloatArray, LabelArray
from xray_gate.probing.probe_set import ProbeSet

# A trigger with a larger p is no finding.
LEVEL = 0.01


def sweep(
    oracle: FakeOracle,
    probes: ProbeSet,
    seed: int = 0,
    queries: int = 12_000,
    families: Sequence[str] = tuple(ALL_FAMILIES),
    labels: LabelArray | None = None,
    champion: FakeOracle | None = None,
    progress: Progress | None = None,
) -> DetectorRun:
    """One run; `labels` are what the model says of the probes, if not what they are."""
    detector = TriggerSweep(TriggerSweepParameters(tuple(families), queries))
    before = probes.labels if labels is None else labels
    subject = Subject(oracle, probes, before, champion)
    return detector.run(subject, np.random.default_rng(seed), progress)


def planted(centres: FloatArray, label: int = 3) -> BackdooredOracle:
    """A patch at the bottom right sends all to one label."""
    return BackdooredOracle(RegionsOracle(centres), white_in_the_corner(), to_label(label))


def completed(run: DetectorRun) -> dict[str, Any]:
    """The statistics of a run that must have ended well."""
    assert run.evidence.state is RunState.COMPLETED, run.evidence.reason
    return dict(run.evidence.statistics)


def inconclusive(run: DetectorRun) -> str:
    """The reason of a run that must have given up."""
    assert run.evidence.state is RunState.INCONCLUSIVE
    assert run.evidence.statistics == {}
    assert run.evidence.suspected_labels == ()
    assert run.triggers == ()
    return str(run.evidence.reason)
