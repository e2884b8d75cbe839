import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.lab.data.sources import Source
from benchmarks.lab.peers import label_search, mm_bd, network
from benchmarks.lab.peers.__main__ import main
from benchmarks.lab.peers.network import open_network
from benchmarks.lab.peers.running import from_source
from tests.support.planted import planted_model, samples, write_samples
from xray_gate.backends.onnx_as_torch import convert

PATCH = (slice(0, 2), slice(0, 2))


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(label_search.BUDGETS, "cpu", label_search.Settings(steps=5, batches=1))
    monkeypatch.setitem(mm_bd.BUDGETS, "cpu", mm_bd.Settings(steps=100))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    planted_model(tmp_path / "attacked.onnx", {3: PATCH})
    planted_model(tmp_path / "clean.onnx", {})
    write_samples(tmp_path / "probes_toy.npz", 100, 5)
    entries = [
        {"file": "attacked.onnx", "dataset": "toy", "attack": "badnets", "target_label": 3},
        {"file": "clean.onnx", "dataset": "toy", "attack": None},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps(entries))
    return tmp_path


def rows(out: Path) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads(out.read_text())
    return read


def test_each_model_and_peer_gets_a_row_once(folder: Path) -> None:
    out = folder / "results.json"
    command = [str(folder), "--out", str(out), "--budget", "cpu", "--device", "cpu"]

    assert main([*command, "--only", "attacked.onnx"]) == 0
    assert [row["peer"] for row in rows(out)] == ["neural_cleanse", "mm_bd"]
    attacked = rows(out)[1]
    assert attacked["refused"] is True
    assert attacked["suspected"] == [attacked["target_label"]] == [3]
    assert attacked["score"] > 5
    assert attacked["queries"] >= 30 * attacked["gradient_steps"]

    assert main([*command, "--peer", "mm_bd"]) == 0
    assert [(row["file"], row["peer"]) for row in rows(out)[1:]] == [
        ("attacked.onnx", "mm_bd"),
        ("clean.onnx", "mm_bd"),
    ]
    written = out.stat().st_mtime_ns
    assert main([*command, "--peer", "mm_bd"]) == 0
    assert out.stat().st_mtime_ns == written

    assert main([*command, "--peer", "mm_bd", "--seed", "1", "--only", "clean.onnx"]) == 0
    assert [row["seed"] for row in rows(out)] == [0, 0, 0, 1]


def test_a_model_without_an_answer_gets_no_row_and_is_asked_again(folder: Path) -> None:
    out = folder / "results.json"
    command = [str(folder), "--out", str(out), "--budget", "cpu", "--peer", "mm_bd"]
    whole = (folder / "attacked.onnx").read_bytes()
    (folder / "attacked.onnx").write_bytes(b"no model")

    assert main(command) == 1
    assert [row["file"] for row in rows(out)] == ["clean.onnx"]

    (folder / "attacked.onnx").write_bytes(whole)
    assert main(command) == 0
    assert [row["file"] for row in rows(out)] == ["clean.onnx", "attacked.onnx"]


def test_a_conversion_that_answers_otherwise_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = planted_model(folder / "other.onnx", {}, sharpness=0.4)
    monkeypatch.setattr(
        network, "convert", lambda path, output, device: convert(other, output, device)
    )
    images = torch.from_numpy(samples(8, 1)[0])

    with pytest.raises(RuntimeError, match=r"clean\.onnx in PyTorch differs from the file"):
        open_network(folder / "clean.onnx", torch.device("cpu"), images)


def test_clean_images_are_drawn_from_the_split_that_is_asked_for(tmp_path: Path) -> None:
    for split, grey in (("train", 51), ("test", 204)):
        for label in range(2):
            (tmp_path / split / str(label)).mkdir(parents=True)
            for number in range(5):
                pixels = np.full((4, 4), grey, np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / str(label) / f"{number}.png")
    source = Source(tmp_path / "train", tmp_path / "test")

    train, test = (from_source(source, split, 7, seed=0) for split in ("train", "test"))

    assert train.images.shape == (7, 1, 4, 4)
    assert train.images.numpy() == pytest.approx(0.2)
    assert test.images.numpy() == pytest.approx(0.8)
    assert train.origin == "train, 7 of 10 images"
