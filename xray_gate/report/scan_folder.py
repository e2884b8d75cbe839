"""Reads back what `write_report` left in a folder: the report, and triggers that it accuses."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xray_gate.core.errors import InputError
from xray_gate.probing.trigger_files import StoredTrigger, read_trigger
from xray_gate.report.b3d_section import B3D
from xray_gate.report.json_v1 import ReportV1, read_report

# Of these detectors, a trigger sends images to its label.
_LEAD_THERE = frozenset({B3D})


@dataclass(frozen=True)
class ScanFolder:
    """A scan's report, and the triggers of that scan that lead to their label, by label."""

    path: Path
    report: ReportV1
    triggers: tuple[StoredTrigger, ...]

    def accused(self, label: int | None = None) -> list[StoredTrigger]:
        """The triggers of the labels for which a detector failed the model, or those of `label`.

        Raises `InputError` where there is none.
        """
        if not self.triggers:
            raise InputError(
                f"{self.path}: holds no reversed trigger of the scan in report.json; scan the "
                f"model with --out under a policy that names {B3D}"
            )
        here = named_labels({trigger.label for trigger in self.triggers})
        if label is not None:
            chosen = [trigger for trigger in self.triggers if trigger.label == label]
            if not chosen:
                raise InputError(
                    f"{self.path}: holds no reversed trigger for label {label}; there are "
                    f"triggers for {here}, choose one with --label"
                )
            return chosen
        failing = [d for d in self.report.detectors if d.outcome == "failed"]
        suspected = {found.label for detector in failing for found in detector.suspected_labels}
        chosen = [trigger for trigger in self.triggers if trigger.label in suspected]
        if not chosen:
            accused = named_labels(suspected) if suspected else "no label"
            raise InputError(
                f"{self.path}: the report accuses {accused}, and the triggers are for {here}; if "
                "you want to filter by one of them all the same, choose it with --label"
            )
        return chosen


def read_scan_folder(path: Path) -> ScanFolder:
    """The folder that `xray-gate scan --out` filled; an MLflow run's artifacts are such a folder.

    Triggers of earlier scans that were written into the same folder are left out. Raises
    `InputError` where there is no readable report, or a trigger's file is broken.
    """
    try:
        content = (path / "report.json").read_bytes()
        files = sorted((path / "triggers").glob("*.npz"))
    except OSError as error:
        raise InputError(
            f"{path}: holds no report.json that can be read ({error.strerror}); give the folder "
            "that `xray-gate scan --out` filled"
        ) from error
    try:
        report = read_report(content)
    except InputError as error:
        raise InputError(f"{path / 'report.json'}: {error}") from error
    found = [read_trigger(file) for file in files]
    mine = [t for t in found if t.scan_id == report.scan_id and t.detector in _LEAD_THERE]
    return ScanFolder(path, report, tuple(sorted(mine, key=lambda trigger: trigger.label)))


def named_labels(labels: Iterable[int]) -> str:
    """Such as `labels 1, 4`, ascending; the first ten of them."""
    ascending = sorted(labels)
    first = ", ".join(map(str, ascending[:10]))
    more = f" and {len(ascending) - 10} more" if len(ascending) > 10 else ""
    return f"label{'s' if len(ascending) > 1 else ''} {first}{more}"
