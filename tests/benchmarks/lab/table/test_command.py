import json
from pathlib import Path

import pytest

from benchmarks.lab.__main__ import main
from tests.benchmarks.lab.table.test_rows import entry, sweep
from xray_gate.policy.calibration import Calibration, Reference


def calibration(digests: list[str]) -> Calibration:
    references = [
        Reference(name=d, digest=d, architecture="a", probe_accuracy=1.0, scores={"ats.valid": 0.2})
        for d in digests
    ]
    return Calibration(
        name="small",
        created="2026-11-21",
        command="",
        xray_gate_version="0",
        parameters={},
        preprocessing={},
        seed=0,
        probes_sha256="",
        references=references,
    )


def test_the_table_is_written_with_all_that_it_rests_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, scans, references = (tmp_path / name for name in ("m.json", "s.json", "c.json"))
    clean = [entry(f"clean_{number}") for number in range(4)]
    attacked = [entry("bad", "badnets"), entry("lost", "sig", failed_attack=True)]
    manifest.write_text(json.dumps([*clean, *attacked]))
    outcomes = {"clean_3": (1e-9, "failed"), "bad": (1e-6, "failed")}
    files = [known["file"] for known in [*clean, *attacked]]
    said = {file: sweep(*outcomes.get(file, (1.0, "passed"))) for file in files}
    rows = [{"file": file, "detectors": {"trigger_sweep": said[file]}} for file in files]
    scans.write_text(json.dumps(rows))
    references.write_text(calibration(["sha256:digest of clean_3"]).model_dump_json())
    given = ["--manifest", str(manifest), "--scans", str(scans)]

    assert main(["table", *given, "--out", str(tmp_path / "all")]) == 0
    named = [*given, "--calibration", str(references)]
    assert main(["table", *named, "--out", str(tmp_path / "some")]) == 0

    every, some = (
        json.loads((tmp_path / name / "table.json").read_text()) for name in ("all", "some")
    )
    assert every["cells"][0]["figures"]["trigger_sweep"]["auroc"]["value"] == 0.75
    assert some["cells"][0]["figures"]["trigger_sweep"]["auroc"]["value"] == 1.0
    assert (len(every["cells"][0]["clean"]), len(some["cells"][0]["clean"])) == (4, 3)
    assert some["left_out"] == ["lost"]
    assert some["clean"][0]["figures"]["trigger_sweep"]["refused"] == 0
    assert [model["file"] for model in some["models"]] == [f for f in files if f != "clean_3"]
    text = (tmp_path / "some" / "table.md").read_text()
    assert "### cifar10, preact: 3 clean models" in text
    assert capsys.readouterr().out.endswith(text)
