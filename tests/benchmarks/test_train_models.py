import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.train_models import main
from tests.benchmarks.lab.pictures import png


def write_noise(path: Path, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(count) % 10
    pq.write_table(
        pa.table({"image": [{"bytes": png(image)} for image in images], "label": labels}), path
    )


def test_clean_and_attacked_models_are_trained_and_recorded(tmp_path: Path) -> None:
    write_noise(tmp_path / "train.parquet", 128, 1)
    write_noise(tmp_path / "test.parquet", 20, 2)
    out = tmp_path / "models"
    command = ["--data", str(tmp_path / "train.parquet"), "--test", str(tmp_path / "test.parquet")]
    command += ["--out", str(out), "--epochs", "1", "--jobs", "1"]

    assert main([*command, "--clean-seeds", "3", "--badnets-seeds", "4-4"]) == 0

    attacked, clean = json.loads((out / "manifest.json").read_text())
    assert (clean["file"], clean["verdict"]) == ("clean_3.onnx", "clean")
    assert (attacked["file"], attacked["verdict"]) == ("badnets_4.onnx", "backdoored")
    assert attacked["attack_success_rate"] is not None
    assert (out / "badnets_4.onnx").exists()
