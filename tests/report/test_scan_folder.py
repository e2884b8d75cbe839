import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report.b3d_builders import b3d, b3d_report, reversed_trigger, scanned
from tests.report.sweep_builders import shown_trigger, swept_report
from xray_gate.core.errors import InputError
from xray_gate.core.verdict import Outcome
from xray_gate.probing.shown_trigger import ShownTrigger
from xray_gate.report.json_v1 import dump
from xray_gate.report.scan_folder import PATCHES, TRIGGERS, Wanted, read_scan_folder


def labels(folder: Path, label: int | None = None) -> list[int]:
    return [trigger.label for trigger in read_scan_folder(folder, TRIGGERS).chosen(label)]


def test_the_triggers_of_the_accused_labels_are_taken(tmp_path: Path) -> None:
    folder = scanned(tmp_path, [reversed_trigger(label=label) for label in (12, 3, 1)])
    assert labels(folder) == [3]
    (trigger,) = read_scan_folder(folder, TRIGGERS).chosen()
    shown = reversed_trigger()
    assert shown.mask is not None
    np.testing.assert_array_equal(trigger.mask, shown.mask)
    assert [t.label for t in read_scan_folder(folder, TRIGGERS).triggers] == [1, 3, 12]


def test_another_label_can_be_chosen(tmp_path: Path) -> None:
    folder = scanned(tmp_path, [reversed_trigger(label=label) for label in (3, 1)])
    assert labels(folder, 1) == [1]


def test_a_label_without_a_trigger_is_refused(tmp_path: Path) -> None:
    folder = scanned(tmp_path, [reversed_trigger(label=label) for label in (3, 1)])
    with pytest.raises(InputError) as error:
        labels(folder, 2)
    assert str(error.value) == (
        f"{folder}: holds no reversed trigger for label 2; there are triggers for labels 1, 3, "
        "choose one with --label"
    )


def test_a_label_that_another_detector_accuses_counts(tmp_path: Path) -> None:
    report = swept_report()
    report["detectors"].append(b3d_report(outcome=Outcome.PASSED)["detectors"][1])
    assert labels(scanned(tmp_path, [reversed_trigger()], report)) == [3]


@pytest.mark.parametrize(
    ("report", "held", "said"),
    [
        (b3d_report(outcome=Outcome.PASSED), 3, "accuses no label, and the triggers are for label"),
        (b3d_report(b3d(suspected_labels=())), 3, "accuses no label by name, and the triggers are"),
        (b3d_report(), 1, "accuses label 3, and the triggers are for label 1; if you want to"),
    ],
)
def test_a_trigger_that_is_not_accused_has_to_be_chosen(
    report: dict[str, Any], held: int, said: str, tmp_path: Path
) -> None:
    folder = scanned(tmp_path, [reversed_trigger(label=held)], report)
    with pytest.raises(InputError) as error:
        labels(folder)
    assert said in str(error.value)
    assert str(error.value).endswith("choose it with --label")
    assert labels(folder, held) == [held]


@pytest.mark.parametrize(
    "triggers",
    [
        [],
        [shown_trigger()],
        # Its patches lead away from their label.
        [reversed_trigger(detector="dtinspector")],
    ],
)
def test_a_scan_without_a_reversed_trigger_is_refused(
    triggers: list[ShownTrigger], tmp_path: Path
) -> None:
    folder = scanned(tmp_path, triggers)
    with pytest.raises(InputError, match=r"holds no reversed trigger of the scan in report\.json"):
        labels(folder, 3)


@pytest.mark.parametrize(
    ("wanted", "name"), [(TRIGGERS, "reversed trigger"), (PATCHES, "patch")], ids=["b3d", "patch"]
)
def test_two_triggers_for_a_label_are_refused(wanted: Wanted, name: str, tmp_path: Path) -> None:
    folder = scanned(tmp_path, [reversed_trigger(detector=wanted.detector)])
    (path,) = (folder / "triggers").glob("*.npz")
    shutil.copy(path, path.with_name("copy.npz"))
    with pytest.raises(InputError) as error:
        read_scan_folder(folder, wanted)
    assert str(error.value) == (
        f"{path.parent}: holds more than one {name} for label 3; take away the files that the scan "
        "did not write"
    )


def test_each_detectors_triggers_are_apart(tmp_path: Path) -> None:
    both = [reversed_trigger(label=3), reversed_trigger(label=1, detector="dtinspector")]
    folder = scanned(tmp_path, both)
    for wanted, label in ((TRIGGERS, 3), (PATCHES, 1)):
        (found,) = read_scan_folder(folder, wanted).triggers
        assert (found.detector, found.label) == (wanted.detector, label)


def test_triggers_of_an_earlier_scan_are_left_out(tmp_path: Path) -> None:
    folder = scanned(tmp_path, [reversed_trigger()], scan_id="earlier")
    with pytest.raises(InputError, match=r"of the scan in report\.json; scan the model with --out"):
        labels(folder)


def test_without_a_folder_for_triggers_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(dump(b3d_report()))
    assert read_scan_folder(tmp_path, TRIGGERS).triggers == ()


def test_many_labels_are_not_all_named(tmp_path: Path) -> None:
    folder = scanned(tmp_path, [reversed_trigger(label=label) for label in range(4, 20)])
    with pytest.raises(InputError, match="labels 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 and 6 more"):
        labels(folder)


@pytest.mark.parametrize("place", ["gone", "file"])
def test_a_folder_without_a_report_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(InputError) as error:
        read_scan_folder(tmp_path / place, TRIGGERS)
    assert str(error.value).startswith(f"{tmp_path / place}: holds no report.json that can be read")
    assert str(error.value).endswith("give the folder that `xray-gate scan --out` filled")


def test_a_broken_report_is_named(tmp_path: Path) -> None:
    folder = scanned(tmp_path, [])
    (folder / "report.json").write_text(dump(b3d_report())[:-30])
    with pytest.raises(InputError, match=r"report\.json: the report is not valid JSON"):
        read_scan_folder(folder, TRIGGERS)


def test_a_broken_trigger_is_named(tmp_path: Path) -> None:
    folder = scanned(tmp_path, [reversed_trigger()])
    path = folder / "triggers" / "b3d_label_3.npz"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match=r"b3d_label_3\.npz: cannot be read as \.npz"):
        read_scan_folder(folder, TRIGGERS)
