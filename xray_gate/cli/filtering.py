"""What `xray-gate filter` does, from its checked arguments to the table of scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xray_gate.cli.progress import ProgressLine
from xray_gate.cli.scanned_model import (
    require_a_fitting_model,
    require_shape,
    require_the_scanned_model,
    require_the_scans_preprocessing,
)
from xray_gate.core.errors import InputError
from xray_gate.mitigation.score_table import score_table
from xray_gate.mitigation.trigger_filter import TriggerFilter, rejection_threshold
from xray_gate.mitigation.trigger_score import trigger_scores
from xray_gate.policy.files import Policy
from xray_gate.probing.answer_checks import CheckedOracle
from xray_gate.probing.batches import LabelArray
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.probing.training_data import TrainingData, open_images
from xray_gate.probing.trigger_files import StoredTrigger
from xray_gate.report.json_v1 import ReportV1
from xray_gate.report.scan_folder import TRIGGERS, read_scan_folder
from xray_gate.scan.opening import preprocessing_of
from xray_gate.scan.ports import Device
from xray_gate.wiring import scanning

_ROWS_AT_A_TIME = 256


@dataclass(frozen=True)
class Filtered:
    """How it ended: `suspected` of `inputs` inputs are below `threshold`.

    `rate` is the share of clean inputs that may be, as `probes` clean samples set it; `labels` are
    those of the triggers.
    """

    out: str
    inputs: int
    suspected: int
    threshold: float
    rate: float
    probes: int
    labels: list[int]
    model: str
    scan_id: str


@dataclass(frozen=True)
class Filtering:
    """Everything but the model, read and seen to fit together; `prepare` makes it."""

    report: ReportV1
    triggers: Sequence[StoredTrigger]
    policy: Policy
    probes: ProbeSet
    inputs: TrainingData

    @classmethod
    def prepare(
        cls,
        folder: Path,
        label: int | None,
        policy_path: Path | None,
        probes_path: Path,
        inputs_path: Path,
    ) -> "Filtering":
        """Read report, triggers, policy, probes and the inputs' sizes; `InputError`."""
        scanned = read_scan_folder(folder, TRIGGERS)
        triggers = scanned.chosen(label)
        policy = scanning.load_policy(policy_path)
        require_the_scans_preprocessing(policy, scanned.report)
        shape = triggers[0].pattern.shape
        size = preprocessing_of(policy).size
        inputs = open_images(inputs_path, size, channels=shape[0])
        probes = scanning.load_probes(probes_path, policy)
        for trigger in triggers:
            require_shape(f"{folder}: a trigger", trigger.pattern.shape, shape)
        require_shape(str(probes_path), probes.images.shape[1:], shape)
        require_shape(str(inputs_path), inputs.shape, shape)
        return cls(scanned.report, triggers, policy, probes, inputs)

    @property
    def fitted_to_the_probes(self) -> bool:
        """Whether the scan had the same probes, to some of which it fitted its triggers."""
        seen = self.report.probes
        return seen is not None and seen.sha256 == self.probes.sha256

    def run(
        self, path: Path, out: Path, rate: float, seed: int, device: Device, progress: ProgressLine
    ) -> Filtered:
        """Score all inputs with the model at `path`, and write the table.

        Raises `InputError` for another model than the scan's, one that gives labels only, and
        what is wrong with probes and inputs; `ScanError` when the model cannot be asked.
        """
        digest = require_the_scanned_model(path, self.report)
        classes, shape = int(self.probes.labels.max()) + 1, self.probes.images.shape[1:]
        with scanning.open_classifier(path, self.policy, classes, shape, device) as model:
            require_a_fitting_model(
                model, self.triggers, "the filter compares probabilities", "a trigger leads to"
            )
            oracle = CheckedOracle(model, np.random.default_rng(seed))
            clean = trigger_scores(oracle, self.probes.images, self.triggers)
            self._check_accuracy(clean.labels)
            threshold = rejection_threshold(clean.scores, rate)
            asked = TriggerFilter(oracle, self.triggers, threshold)
            with score_table(out) as table:
                for batch in self.inputs.batches(_ROWS_AT_A_TIME):
                    scored = asked.score(batch.images)
                    names = [self.inputs.name(row) for row in batch.rows.tolist()]
                    table.add(batch.rows, names, scored, asked.suspects(scored))
                    progress("filter", table.rows, len(self.inputs))
        return Filtered(
            out=str(out),
            inputs=table.rows,
            suspected=table.suspected,
            threshold=threshold,
            rate=rate,
            probes=len(self.probes),
            labels=[trigger.label for trigger in self.triggers],
            model=digest,
            scan_id=self.report.scan_id,
        )

    def _check_accuracy(self, labels: LabelArray) -> None:
        accuracy = float((labels == self.probes.labels).mean())
        least = self.policy.document.min_probe_accuracy
        if accuracy < least:
            raise InputError(
                f"{self.probes.source}: the model is right on {accuracy:.1%} of the probes, under "
                f"min_probe_accuracy ({least:.1%}), so that they cannot set the threshold; check "
                "the range of the pixels, their layout and the order of the labels"
            )
