import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.report.b3d_builders import reversed_trigger
from tests.report.builders import decision, evidence, plane
from tests.report.sweep_builders import shown_trigger
from tests.support.evidence import make_policy
from xray_gate.probing.trigger_files import read_trigger
from xray_gate.report.files import write_report
from xray_gate.scan.work import ScanOutput


def test_planes_and_triggers_lie_beside_the_report(tmp_path: Path) -> None:
    output = ScanOutput(
        evidence(), [plane(3, pixel_range="unclipped"), plane(3)], [shown_trigger()] * 2
    )
    report = write_report(tmp_path, output, decision(), make_policy(tmp_path / "policies"))
    figures = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert figures == [
        "planes/plane_003.png",
        "planes/plane_003_valid.png",
        "triggers/trigger_000.png",
        "triggers/trigger_001.png",
    ]
    for name in figures:
        assert Image.open(io.BytesIO((tmp_path / name).read_bytes())).format == "PNG"
    assert json.loads((tmp_path / "report.json").read_text()) == report
    page = (tmp_path / "report.html").read_text()
    assert "Trigger 2: a 2x2 white patch at the bottom right" in page
    assert not list(tmp_path.rglob("*.part"))


def test_the_policys_class_names_are_in_the_page(tmp_path: Path) -> None:
    policy = make_policy(tmp_path / "policies", class_names=["cat", "dog", "bird", "frog"])
    write_report(tmp_path, ScanOutput(evidence(), (), [shown_trigger()]), decision(), policy)
    assert "change their label to 3 frog" in (tmp_path / "report.html").read_text()


def test_without_triggers_there_is_no_folder_for_them(tmp_path: Path) -> None:
    write_report(tmp_path, ScanOutput(evidence()), decision(), make_policy(tmp_path / "policies"))
    assert not (tmp_path / "triggers").exists()


def test_a_reversed_trigger_is_a_file_of_arrays_too(tmp_path: Path) -> None:
    shown = reversed_trigger()
    output = ScanOutput(evidence(), (), [shown_trigger(), shown, reversed_trigger(label=12)])
    write_report(tmp_path, output, decision(), make_policy(tmp_path / "policies"))
    names = sorted(path.name for path in (tmp_path / "triggers").iterdir())
    assert names == [
        *("b3d_label_12.npz", "b3d_label_3.npz"),
        *("trigger_000.png", "trigger_001.png", "trigger_002.png"),
    ]
    found = read_trigger(tmp_path / "triggers" / "b3d_label_3.npz")
    assert (found.label, found.detector, found.scan_id) == (3, "b3d", evidence().scan_id)
    assert shown.mask is not None
    np.testing.assert_array_equal(found.mask, shown.mask)
    assert not list(tmp_path.rglob("*.part"))


def test_a_trigger_that_cannot_be_written_is_not_there_by_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def full(path: Path, target: Path) -> Path:
        if target.suffix == ".npz":
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", full)
    output = ScanOutput(evidence(), (), [reversed_trigger()])
    with pytest.raises(OSError, match="No space"):
        write_report(tmp_path, output, decision(), make_policy(tmp_path / "policies"))
    assert not (tmp_path / "triggers" / "b3d_label_3.npz").exists()
    assert not (tmp_path / "report.json").exists()


def test_a_signed_verdict_lies_beside_its_report_and_no_other(tmp_path: Path) -> None:
    scan = (ScanOutput(evidence()), decision(), make_policy(tmp_path / "policies"))
    write_report(tmp_path, *scan, "signed")
    assert (tmp_path / "attestation.json").read_text() == "signed"
    write_report(tmp_path, *scan)
    assert not (tmp_path / "attestation.json").exists()
