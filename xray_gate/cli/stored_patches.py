"""The patches that DTInspector learned in a scan, from the folder that the scan filled."""

from dataclasses import dataclass
from pathlib import Path

from xray_gate.core.errors import InputError
from xray_gate.probing.trigger_files import StoredTrigger, read_trigger
from xray_gate.report.json_v1 import ReportV1
from xray_gate.report.scan_folder import named_labels, read_scan_folder

_DTINSPECTOR = "dtinspector"


@dataclass(frozen=True)
class StoredPatches:
    """A scan's report, and its patches by ascending label, at most one for each."""

    path: Path
    report: ReportV1
    patches: tuple[StoredTrigger, ...]

    @property
    def accused(self) -> list[int]:
        """The labels for which dtinspector failed the model, ascending."""
        failing = [d for d in self.report.detectors if d.name == _DTINSPECTOR]
        failing = [detector for detector in failing if detector.outcome == "failed"]
        return sorted({found.label for d in failing for found in d.suspected_labels})

    @property
    def without_patch(self) -> list[int]:
        """Those of the `accused` for which no patch was stored; a scan stores three at most."""
        here = {patch.label for patch in self.patches}
        return [label for label in self.accused if label not in here]

    def chosen(self, label: int | None) -> list[StoredTrigger]:
        """The patches for the `accused` labels, or the one for `label`; one or more.

        Raises `InputError` where there is none.
        """
        if not self.patches:
            raise InputError(
                f"{self.path}: holds no patch of {_DTINSPECTOR} from the scan in report.json; scan "
                "the model with --training-data and --out under a policy that names "
                f"{_DTINSPECTOR}"
            )
        here = named_labels([patch.label for patch in self.patches])
        wanted = self.accused if label is None else [label]
        found = [patch for patch in self.patches if patch.label in wanted]
        if found:
            return found
        if label is not None:
            raise InputError(
                f"{self.path}: holds no patch for label {label}; there are patches for {here}, "
                "choose one with --label"
            )
        accused = named_labels(wanted) if wanted else "no label"
        raise InputError(
            f"{self.path}: {_DTINSPECTOR} accuses {accused} there, and the patches are for {here}; "
            "if you want to look for samples by one of them all the same, choose it with --label"
        )


def read_stored_patches(folder: Path) -> StoredPatches:
    """What `xray-gate scan --training-data ... --out FOLDER` left; `InputError`.

    Patches of earlier scans that were written into the same folder are left out.
    """
    report = read_scan_folder(folder).report
    # Read again, since a scan's folder hands out triggers that lead to their label only.
    found = [read_trigger(file) for file in sorted((folder / "triggers").glob("*.npz"))]
    mine = [t for t in found if t.scan_id == report.scan_id and t.detector == _DTINSPECTOR]
    labels = [patch.label for patch in mine]
    twice = {label for label in labels if labels.count(label) > 1}
    if twice:
        raise InputError(
            f"{folder / 'triggers'}: holds more than one patch for {named_labels(twice)}; "
            "take away the files that the scan did not write"
        )
    return StoredPatches(folder, report, tuple(sorted(mine, key=lambda patch: patch.label)))
