"""What `xray-gate cleanse` does, from its checked arguments to the list of samples."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xray_gate.cli.progress import ProgressLine
from xray_gate.cli.scanned_model import (
    require_a_fitting_model,
    require_shape,
    require_the_scanned_model,
    require_the_scans_preprocessing,
)
from xray_gate.core.errors import InputError
from xray_gate.mitigation.cleansing import Inspected, inspected_samples
from xray_gate.mitigation.sample_table import sample_table
from xray_gate.policy.files import Policy
from xray_gate.probing.answer_checks import CheckedOracle
from xray_gate.probing.training_data import TrainingData, open_training_data
from xray_gate.probing.trigger_files import StoredTrigger
from xray_gate.report.scan_folder import PATCHES, ScanFolder, named_labels, read_scan_folder
from xray_gate.scan.opening import preprocessing_of
from xray_gate.scan.ports import Device
from xray_gate.wiring import scanning


@dataclass(frozen=True)
class LabelCount:
    """Of `samples` stored with `label` the model predicts `predicted` as this label.

    `suspected` of them lose it under the patch.
    """

    label: int
    samples: int
    predicted: int
    suspected: int


@dataclass(frozen=True)
class Cleansed:
    """How it ended: `suspected` of all `samples` of the training data, and each label's part.

    `without_patch`: labels that the report accuses, too, but which could not be looked at.
    """

    out: str
    training_data: str
    samples: int
    suspected: int
    labels: list[LabelCount]
    without_patch: list[int]
    model: str
    scan_id: str


@dataclass(frozen=True)
class Cleansing:
    """Everything but the model, read and seen to fit together; `prepare` makes it."""

    scanned: ScanFolder
    patches: Sequence[StoredTrigger]
    policy: Policy
    training: TrainingData

    @classmethod
    def prepare(
        cls, folder: Path, label: int | None, policy_path: Path | None, training_path: Path
    ) -> "Cleansing":
        """Read report, patches, policy and the training data's sizes; `InputError`."""
        scanned = read_scan_folder(folder, PATCHES)
        patches = scanned.chosen(label)
        policy = scanning.load_policy(policy_path)
        require_the_scans_preprocessing(policy, scanned.report)
        shape = patches[0].pattern.shape
        size = preprocessing_of(policy).size
        training = open_training_data(training_path, size, channels=shape[0])
        for patch in patches:
            require_shape(f"{folder}: a patch", patch.pattern.shape, shape)
        require_shape(str(training_path), training.shape, shape)
        return cls(scanned, patches, policy, training)

    @property
    def notes(self) -> list[str]:
        """What does not stop the work, but should be known before its result is used."""
        missing = self.scanned.without_trigger
        chosen = [patch.label for patch in self.patches]
        clean = [label for label in chosen if label not in self.scanned.accused]
        told: Any = self.scanned.report.environment.get("training_data")
        count = told.get("samples") if isinstance(told, dict) else None
        found = []
        if missing:
            found.append(
                f"the report accuses {named_labels(missing)}, too, and stores no patch for it; "
                "cleanse, train and scan again to find what is left"
            )
        if clean and not self.scanned.names_no_label:
            found.append(
                f"dtinspector does not accuse {named_labels(clean)}; the patch for a clean label "
                "changes clean samples as well, so that the list may mean nothing"
            )
        if count is not None and count != len(self.training):
            found.append(
                f"{self.training.source} holds {len(self.training)} samples, and the scan was "
                f"given {count}; the list is about the former"
            )
        return found

    def run(
        self, path: Path, out: Path, seed: int, device: Device, progress: ProgressLine
    ) -> Cleansed:
        """Lay the patches on their labels' samples, ask the model at `path`, write the table.

        Raises `InputError` for another model than the scan's, one that gives labels only, and
        what is wrong with the training data; `ScanError` when the model cannot be asked.
        """
        report = self.scanned.report
        digest = require_the_scanned_model(path, report)
        channels, height, width = self.training.shape
        shape = (channels, height, width)
        classes = report.model.classes or 1
        counts = _Counts()
        with scanning.open_classifier(path, self.policy, classes, shape, device) as model:
            require_a_fitting_model(
                model, self.patches, "samples are compared by probabilities", "a patch is for"
            )
            oracle = CheckedOracle(model, np.random.default_rng(seed))

            def told(rows: int) -> None:
                progress("cleanse", rows, len(self.training))

            with sample_table(out) as table:
                for found in inspected_samples(oracle, self.training, self.patches, told):
                    table.add(found, [self.training.name(row) for row in found.rows.tolist()])
                    counts.add(found)
                # Here, where an error still leaves no table behind.
                self._check_samples(counts)
        by_label = [counts.of(patch.label) for patch in self.patches]
        return Cleansed(
            out=str(out),
            training_data=self.training.source,
            samples=len(self.training),
            suspected=sum(count.suspected for count in by_label),
            labels=by_label,
            without_patch=self.scanned.without_trigger,
            model=digest,
            scan_id=report.scan_id,
        )

    def _check_samples(self, counts: "_Counts") -> None:
        """A model knows its own data; on others an empty list would look like a good sign."""
        least = self.policy.document.min_probe_accuracy
        for patch in self.patches:
            count = counts.of(patch.label)
            if not count.samples:
                raise InputError(
                    f"{self.training.source}: holds no sample of label {count.label}, for which "
                    "the patch was learned; give the data that the model was trained on"
                )
            share = count.predicted / count.samples
            if not count.predicted or share < least:
                raise InputError(
                    f"{self.training.source}: the model gives label {count.label} to {share:.1%} "
                    f"of the samples stored with it (min_probe_accuracy: {least:.1%}), so it was "
                    "hardly trained on these data; give its own, and check the range of the "
                    "pixels, their layout and the order of the labels"
                )


@dataclass
class _Counts:
    """How many samples there are of each label."""

    samples: Counter[int] = field(default_factory=Counter)
    predicted: Counter[int] = field(default_factory=Counter)
    suspected: Counter[int] = field(default_factory=Counter)

    def add(self, found: Inspected) -> None:
        self.samples.update(found.labels.tolist())
        self.predicted.update(found.labels[found.predicted].tolist())
        self.suspected.update(found.labels[found.suspected].tolist())

    def of(self, label: int) -> LabelCount:
        return LabelCount(label, self.samples[label], self.predicted[label], self.suspected[label])
