import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.lab.ablations import __main__ as ablations
from benchmarks.lab.ablations import measuring
from benchmarks.lab.ablations.drawing import lines
from benchmarks.lab.planes import archive, stopping, variants
from benchmarks.natural_levels import SessionOracle
from tests.support.models import CLASSES, write_backdoored, write_clean, write_probes
from xray_gate.detectors.interface import Subject
from xray_gate.detectors.model_xray.detector import ModelXray
from xray_gate.detectors.model_xray.parameters import ModelXrayParameters
from xray_gate.probing.batches import Images
from xray_gate.probing.probe_files import read_probes

VIEWS = ["unclipped", "valid", "class-valid", "noise", "horizon"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the lab writes it, with one clean model and one with a trigger."""
    folder = tmp_path_factory.mktemp("lab")
    entries = []
    for name, write, attack in (("clean", write_clean, None), ("bad", write_backdoored, "badnets")):
        write(folder / f"{name}.onnx")
        mapping = None if attack is None else "all_to_one"
        known = {"file": f"{name}.onnx", "dataset": "shapes", "architecture": "tiny"}
        entries.append({**known, "attack": attack, "mapping": mapping, "failed_attack": False})
    manifest = [{**entry, "classes": CLASSES} for entry in entries]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    write_probes(folder / "probes_shapes.npz")
    return folder


def xray(folder: Path, parameters: ModelXrayParameters) -> dict[str, Any]:
    """The product's own scan of the clean model, on the same planes."""
    oracle = SessionOracle(folder / "clean.onnx", 1)
    probes = read_probes(folder / "probes_shapes.npz")

    class Counted:
        classes, queries = oracle.classes, 0
        labels = staticmethod(oracle.labels)

    subject = Subject(Counted(), probes, oracle.labels(Images(probes.images)))
    found = ModelXray(parameters).run(subject, np.random.default_rng(0))
    return dict(found.evidence.statistics)


def test_archived_planes_give_what_a_scan_gives(lab: Path, tmp_path: Path) -> None:
    command = [str(lab), "--out", str(tmp_path), "--planes", "3", "--size", "9"]
    assert archive.main([*command, "--views", *VIEWS]) == 0
    results = tmp_path / "results.json"
    kept_in = ["--archive", str(tmp_path), "--manifest", str(lab / "manifest.json")]
    asked = ["--dataset", "shapes", "--views", *VIEWS, "--out", str(results)]
    assert variants.main([*kept_in, *asked]) == 0

    with np.load(tmp_path / "clean.npz") as kept:
        found = variants.statistics(dict(kept), CLASSES, VIEWS)
    scanned = xray(lab, ModelXrayParameters(size=9, planes=3))
    assert found["valid: RE"] == pytest.approx(-scanned["renyi_entropy"]["valid"])
    assert found["unclipped: ATS"] == pytest.approx(-scanned["ats"]["unclipped"])
    assert found["horizon: agreement"] == pytest.approx(scanned["horizon_agreement"]["valid"])
    assert "noise: ATS" not in found
    of_all = json.loads(results.read_text())["all"]
    assert (of_all["clean"], of_all["attacked"]) == (1, 1)
    assert of_all["auroc"].keys() == found.keys()


def test_an_archive_keeps_what_it_has(lab: Path, tmp_path: Path) -> None:
    command = [str(lab), "--out", str(tmp_path), "--planes", "2", "--size", "4"]
    assert archive.main([*command, "--views", "horizon", "--only", "bad.onnx"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["bad.npz"]
    written = (tmp_path / "bad.npz").stat().st_mtime_ns

    assert archive.main([*command, "--views", "horizon"]) == 0

    assert (tmp_path / "bad.npz").stat().st_mtime_ns == written
    assert (tmp_path / "clean.npz").exists()


def test_variants_of_nothing_are_an_error(lab: Path, tmp_path: Path) -> None:
    kept_in = ["--archive", str(tmp_path), "--manifest", str(lab / "manifest.json")]
    with pytest.raises(SystemExit, match="2"):
        variants.main([*kept_in, "--dataset", "shapes"])


def test_an_ablation_of_the_grid_is_a_scan_at_that_grid(lab: Path) -> None:
    oracle = SessionOracle(lab / "clean.onnx", 1)
    probes = read_probes(lab / "probes_shapes.npz")
    rows = {
        (row["axis"], row["value"], row["scorer"]): row["score"]
        for row in measuring.parameters(oracle, probes, 0)
    }

    scanned = xray(lab, ModelXrayParameters(size=12))

    assert rows["size", 12, "ats.valid"] == pytest.approx(scanned["ats"]["valid"])
    assert rows["size", 12, "renyi_entropy.unclipped"] == pytest.approx(
        scanned["renyi_entropy"]["unclipped"]
    )
    agreement = scanned["horizon_agreement"]["valid"]
    assert rows["directions", 32, "horizon_agreement.valid"] == pytest.approx(agreement)
    few = xray(lab, ModelXrayParameters(size=100, planes=2))
    assert rows["planes", 2, "ats.unclipped"] == pytest.approx(few["ats"]["unclipped"])
    wide = xray(lab, ModelXrayParameters(size=34, eta=8.0))
    assert rows["eta", 8.0, "ats.valid"] == pytest.approx(wide["ats"]["valid"])


def test_a_step_of_fgsm_raises_the_loss(lab: Path) -> None:
    probes = read_probes(lab / "probes_shapes.npz")
    direction = measuring.fgsm_direction(lab / "clean.onnx", probes)
    assert set(np.unique(direction)) <= {-1.0, 0.0, 1.0}
    oracle = SessionOracle(lab / "clean.onnx", 1)
    far = (probes.images + np.float32(0.5) * direction).clip(0, 1)
    before = (oracle.labels(Images(probes.images)) == probes.labels).mean()
    after = (oracle.labels(Images(far)) == probes.labels).mean()
    assert after < before


def test_noise_stays_in_the_range_and_follows_the_seed() -> None:
    images = np.full((4, 1, 8, 8), 0.95, np.float32)
    one, again, other = (measuring.with_noise(images, 0.2, seed) for seed in (1, 1, 2))
    assert one.min() >= 0
    assert one.max() == 1
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    np.testing.assert_array_equal(measuring.with_noise(images, 0.0, 1), images)


def model(attack: str | None, *scores: float) -> dict[str, Any]:
    rows = [
        {"axis": "size", "value": value, "scorer": scorer, "score": score}
        for scorer in ("ats.valid", "horizon_agreement.valid")
        for value, score in zip((10, 100), scores, strict=True)
    ]
    return {"attack": attack, "rows": rows}


def test_lines_are_means_over_attacks_and_know_the_suspicious_side() -> None:
    models = [
        model(None, 0.5, 0.5),
        model(None, 0.6, 0.6),
        *(model("badnets", 0.4, 0.4) for _ in range(3)),
        model("sig", 0.7, 0.4),
    ]

    found = lines(models, "size")

    assert found["ats.valid"] == {10.0: 0.5, 100.0: 1.0}
    assert found["horizon_agreement.valid"] == {10.0: 0.5, 100.0: 0.0}


def test_figures_are_drawn_from_what_was_measured(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def few_rows(path: Path, probes: object, seed: int, threads: int) -> list[dict[str, Any]]:
        score = 0.2 if path.name == "clean.onnx" else 0.1
        return list(model(None, score, score)["rows"])

    monkeypatch.setattr(ablations, "measure", few_rows)
    results = tmp_path / "results.json"
    assert ablations.main(["measure", str(lab), "--out", str(results)]) == 0
    assert ablations.main(["measure", str(lab), "--out", str(results)]) == 0
    assert [m["file"] for m in json.loads(results.read_text())] == ["clean.onnx", "bad.onnx"]

    assert ablations.main(["draw", str(results), "--out", str(tmp_path / "a")]) == 0
    assert ablations.main(["draw", str(results), "--out", str(tmp_path / "b")]) == 0

    assert [path.name for path in (tmp_path / "a").iterdir()] == ["ablation-size.svg"]
    drawn = (tmp_path / "a" / "ablation-size.svg").read_text()
    assert "<svg" in drawn
    assert drawn == (tmp_path / "b" / "ablation-size.svg").read_text()


def test_early_stops_are_held_against_all_planes() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(1.3, 0.4, (40, 20)).clip(0, None)

    near, far = (stopping.stop(scores, bound, 2, np.random.default_rng(1)) for bound in (1.3, 0.2))

    assert near.scans == far.scans == 80
    assert near.wrong <= 4
    assert (far.wrong, far.early) == (0, 80)
    assert far.planes < 9 < near.planes


def test_the_table_of_early_stops_is_made_from_an_archive(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(lab), "--out", str(tmp_path), "--planes", "4", "--size", "4", "--only"]
    assert archive.main([*command, "clean.onnx", "bad.onnx"]) == 0
    capsys.readouterr()
    assert stopping.main(["--archive", str(tmp_path), "--orders", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 2 * len(stopping.QUANTILES)
    assert lines[2].startswith("| unclipped |")
    assert "| 4 |" in lines[2]
