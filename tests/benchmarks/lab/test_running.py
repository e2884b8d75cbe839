import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from benchmarks.cifar_network import open_session, run_session
from benchmarks.lab import provenance, training_sets
from benchmarks.lab.__main__ import main
from benchmarks.lab.data.sources import known_sources, load
from benchmarks.lab.data.splits import Split, draw_probes
from benchmarks.lab.making import one_model
from benchmarks.lab.making.jobs import Job, read_plan
from benchmarks.lab.making.one_model import make
from benchmarks.lab.provenance import current_commit
from tests.benchmarks.lab.pictures import png

PLAN = """
- {dataset: mnist, architecture: plain, seeds: [1]}
- {dataset: mnist, architecture: plain, attack: badnets, mapping: one_to_one, seeds: [2]}
"""
MNIST = "- {dataset: mnist, architecture: vgg"


def write_split(path: Path, count: int, seed: int) -> None:
    """Grey 12x12 squares on black; the class is the quarter that the square lies in."""
    rng = np.random.default_rng(seed)
    cells = []
    for row in range(count):
        pixels = rng.integers(0, 40, (12, 12), dtype=np.uint8)
        top, left = 6 * (row % 4 // 2), 6 * (row % 2)
        pixels[top : top + 5, left : left + 5] = 220
        cells.append({"bytes": png(pixels)})
    pq.write_table(pa.table({"image": cells, "label": [row % 4 for row in range(count)]}), path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_split(tmp_path / "mnist-train.parquet", 320, 1)
    write_split(tmp_path / "mnist-test.parquet", 40, 2)
    return tmp_path


def manifest(out: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((out / "manifest.json").read_text())
    return entries


def test_a_plan_is_trained_recorded_and_not_trained_again(folder: Path) -> None:
    plan, out = folder / "plan.yaml", folder / "models"
    plan.write_text(PLAN)
    options = ["--data-folder", str(folder), "--plan", str(plan), "--out", str(out)]
    command = ["train", *options, "--jobs", "1", "--device", "cpu"]

    assert main(command) == 0

    attacked, clean = manifest(out)
    assert clean["file"] == "mnist_plain_normal_1.onnx"
    assert (clean["attack"], clean["mapping"], clean["attack_success_rate"]) == (None, None, None)
    assert clean["clean_accuracy"] > 0.25
    assert attacked["file"] == "mnist_plain_badnets_one_to_one_2.onnx"
    assert len(attacked["source"]) == 1
    with np.load(out / "probes_mnist.npz") as probes:
        assert probes["images"].shape == (40, 12, 12, 1)
    with np.load(out / "mnist_plain_badnets_one_to_one_2-triggered.npz") as stamped:
        assert set(stamped["labels"]) == set(attacked["source"])
        assert set(stamped["expected"]) == {attacked["target_label"]}
        session = open_session(out / attacked["file"], 1)
        hits = run_session(session, stamped["images"]).argmax(axis=1) == stamped["expected"]
    assert hits.mean() == pytest.approx(attacked["attack_success_rate"], abs=1e-4)

    (out / clean["file"]).unlink()
    written = (out / attacked["file"]).stat().st_mtime_ns
    assert main(command) == 0
    assert (out / attacked["file"]).stat().st_mtime_ns == written
    assert [entry["sha256"] for entry in manifest(out)] == [attacked["sha256"], clean["sha256"]]
    assert {entry["commit"] for entry in manifest(out)} == {current_commit()}
    assert {entry["device"] for entry in manifest(out)} == {"cpu"}


def test_probes_are_spread_over_the_classes() -> None:
    labels = np.array([0] * 50 + [1] * 3 + [2] * 50)
    test = Split(np.zeros((103, 4, 4, 1), dtype=np.uint8), labels)

    probes = draw_probes(test, 23, np.random.default_rng(0))

    assert np.bincount(probes.labels).tolist() == [10, 3, 10]


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ("- {dataset: imagenet, architecture: vgg, seeds: [1]}", "unknown dataset 'imagenet'"),
        ("- {dataset: mnist, architecture: vgg, seed: [1], seeds: [1]}", "unknown keys"),
        ("- {dataset: mnist, architecture: vgg, seeds: [1, 1]}", "more than once"),
        (
            "- {dataset: mnist, architecture: vgg, attack: sig, mapping: all_to_all, seeds: [1]}",
            "one target",
        ),
        (f"{MNIST}, attack: badnets, targets: 0, seeds: [1]}}", "at least 1"),
        (f"{MNIST}, attack: badnets, targets: two, seeds: [1]}}", "at least 1"),
        (f"{MNIST}, attack: badnets, targets: 4, seeds: [1]}}", "no 4 targets"),
        (f"{MNIST}, attack: blended, targets: 2, seeds: [1]}}", "no 2 targets.*'badnets'"),
        (f"{MNIST}, targets: 2, seeds: [1]}}", "targets without an attack"),
        (f"{MNIST}, attack: badnets, targets: 2, mapping: all_to_all, seeds: [1]}}", "leave one"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(
    plan: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(plan)

    with pytest.raises(ValueError, match=message):
        read_plan(path)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("side: 13", "side 13 does not fit"),
        ("side: 8, triggers: 2", "overlap"),
        ("mapping: x_to_one, sources: 9", "ask for 1 to"),
    ],
)
def test_what_does_not_fit_the_data_is_refused_before_anything_is_trained(
    wanted: str, message: str, folder: Path
) -> None:
    plan, out = folder / "plan.yaml", folder / "models"
    plan.write_text(f"{PLAN}{MNIST}, attack: badnets, {wanted}, seeds: [3]}}\n")
    options = ["--data-folder", str(folder), "--plan", str(plan), "--out", str(out)]

    with pytest.raises(SystemExit, match=message):
        main(["train", *options, "--device", "cpu"])

    assert not out.exists()


@pytest.mark.parametrize("attack", ["sig", "input_aware"])
def test_an_attack_and_its_seed_decide_the_model(attack: str, folder: Path) -> None:
    job = Job("mnist", "preact", 5, attack=attack)
    squares = load("mnist", known_sources(folder)["mnist"])

    first, second = (make(job, squares, folder, 1)["sha256"] for _ in range(2))

    assert first == second


def test_what_a_model_was_trained_on_can_be_written_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, out = folder / "plan.yaml", folder / "sets"
    plan.write_text(PLAN)
    seen: list[Split] = []

    def remember(network: object, train: Split, *_: object) -> int:
        seen.append(train)
        return 1

    monkeypatch.setattr(one_model, "fit", remember)
    names = ["mnist_plain_normal_1.onnx", "mnist_plain_badnets_one_to_one_2.onnx"]
    squares = load("mnist", known_sources(folder)["mnist"])
    for job in read_plan(plan):
        make(job, squares, folder, 1)

    options = ["--data-folder", str(folder), "--plan", str(plan), "--out", str(out)]
    assert training_sets.main([*options, *names]) == 0

    original = squares.train
    for name, train in zip(names, seen, strict=True):
        with np.load(out / f"{name.removesuffix('.onnx')}-training.npz") as written:
            np.testing.assert_array_equal(written["images"], train.images)
            np.testing.assert_array_equal(written["labels"], train.labels)
            relabelled = written["labels"] != original.labels
            assert (written["poisoned"] >= relabelled).all()
            assert written["poisoned"].any() == ("badnets" in name)
    with pytest.raises(SystemExit):
        training_sets.main([*options, "other.onnx"])


def test_the_commit_is_the_one_that_is_checked_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        done = subprocess.run(
            ["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert current_commit() is None

    git("init")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-m", "one")
    assert current_commit() == git("rev-parse", "HEAD")

    (tmp_path / "file").write_text("two")
    assert current_commit() == git("rev-parse", "HEAD") + "-dirty"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--plan", "none.yaml"], "No such file"),
        (["--device", "cuda"], "PyTorch finds no GPU"),
        (["--data", "mnist=."], "no train"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(
    words: list[str],
    message: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (folder / "plan.yaml").write_text(PLAN)

    with pytest.raises(SystemExit) as ended:
        main(["train", "--data-folder", ".", "--plan", "plan.yaml", "--out", "models", *words])

    assert message in f"{ended.value} {capsys.readouterr().err}"
    assert not (folder / "models").exists()


def test_a_gpu_is_asked_for_in_vain_where_onnxruntime_has_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])

    with pytest.raises(RuntimeError, match="install the extra gpu"):
        open_session(folder / "model.onnx", 1, "cuda")
