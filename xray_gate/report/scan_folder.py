"""Reads back what `write_report` left in a folder: the report, and one detector's triggers."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xray_gate.core.errors import InputError
from xray_gate.probing.trigger_files import StoredTrigger, read_trigger
from xray_gate.report.b3d_section import B3D
from xray_gate.report.dtinspector_section import DTINSPECTOR
from xray_gate.report.json_v1 import DetectorV1, ReportV1, read_report


@dataclass(frozen=True)
class Wanted:
    """Which of a scan's triggers a command takes, and how messages speak of them.

    `detector` stored them; `accuser` is the detector whose suspected labels count, None for all.
    """

    detector: str
    one: str
    many: str
    missing: str
    use: str
    accuser: str | None = None


# B3D's triggers lead to their label, DTInspector's patches away from theirs.
TRIGGERS = Wanted(
    B3D,
    one="reversed trigger",
    many="triggers",
    missing="reversed trigger of the scan in report.json; scan the model with --out under a policy "
    f"that names {B3D}",
    use="filter by one of them",
)
PATCHES = Wanted(
    DTINSPECTOR,
    one="patch",
    many="patches",
    missing=f"patch of {DTINSPECTOR} from the scan in report.json; scan the model with "
    f"--training-data and --out under a policy that names {DTINSPECTOR}",
    use="look for samples by one of them",
    accuser=DTINSPECTOR,
)


@dataclass(frozen=True)
class ScanFolder:
    """A scan's report, and the `wanted` triggers by ascending label, at most one for each."""

    path: Path
    report: ReportV1
    wanted: Wanted
    triggers: tuple[StoredTrigger, ...]

    @property
    def accused(self) -> list[int]:
        """The suspected labels of the detectors that failed the model, ascending.

        The policy failed it, but the report holds no labels of the policy's: these are what the
        detector marks by its own fixed bounds. A policy with a lower bound may fail a model for a
        label that is missing here, one with a higher bound for fewer labels than are here.
        """
        return sorted({found.label for d in self._failing for found in d.suspected_labels})

    @property
    def without_trigger(self) -> list[int]:
        """Those of the `accused` for which none was stored; a scan stores three at most."""
        here = {trigger.label for trigger in self.triggers}
        return [label for label in self.accused if label not in here]

    @property
    def names_no_label(self) -> bool:
        """Whether the model failed, and the detectors that failed it suspect no label."""
        return bool(self._failing) and not self.accused

    @property
    def _failing(self) -> list[DetectorV1]:
        failing = [found for found in self.report.detectors if found.outcome == "failed"]
        accuser = self.wanted.accuser
        return [found for found in failing if accuser in (None, found.name)]

    def chosen(self, label: int | None = None) -> list[StoredTrigger]:
        """The triggers for the `accused` labels, or the one for `label`; one or more.

        Raises `InputError` where there is none.
        """
        if not self.triggers:
            raise InputError(f"{self.path}: holds no {self.wanted.missing}")
        labels = self.accused if label is None else [label]
        found = [trigger for trigger in self.triggers if trigger.label in labels]
        if not found:
            raise self._none_chosen(label)
        return found

    def _none_chosen(self, label: int | None) -> InputError:
        said = self.wanted
        here = named_labels(trigger.label for trigger in self.triggers)
        if label is not None:
            return InputError(
                f"{self.path}: holds no {said.one} for label {label}; there are {said.many} for "
                f"{here}, choose one with --label"
            )
        unnamed = "no label by name" if self.names_no_label else "no label"
        accused = named_labels(self.accused) if self.accused else unnamed
        who, there = ("the report", "") if said.accuser is None else (said.accuser, " there")
        return InputError(
            f"{self.path}: {who} accuses {accused}{there}, and the {said.many} are for {here}; if "
            f"you want to {said.use} all the same, choose it with --label"
        )


def read_scan_folder(path: Path, wanted: Wanted) -> ScanFolder:
    """The folder that `xray-gate scan --out` filled; an MLflow run's artifacts are such a folder.

    Triggers of earlier scans that were written into the same folder are left out. Raises
    `InputError` where there is no readable report, a trigger's file is broken, or a label has more
    than one.
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
    mine = [t for t in found if t.scan_id == report.scan_id and t.detector == wanted.detector]
    labels = [trigger.label for trigger in mine]
    twice = {label for label in labels if labels.count(label) > 1}
    if twice:
        raise InputError(
            f"{path / 'triggers'}: holds more than one {wanted.one} for {named_labels(twice)}; "
            "take away the files that the scan did not write"
        )
    ascending = sorted(mine, key=lambda trigger: trigger.label)
    return ScanFolder(path, report, wanted, tuple(ascending))


def named_labels(labels: Iterable[int]) -> str:
    """Such as `labels 1, 4`, ascending; the first ten of them."""
    ascending = sorted(labels)
    first = ", ".join(map(str, ascending[:10]))
    more = f" and {len(ascending) - 10} more" if len(ascending) > 10 else ""
    return f"label{'s' if len(ascending) > 1 else ''} {first}{more}"
