from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import gpu_check
from benchmarks.gpu_check import Asked, misses


@pytest.mark.slow
def test_it_runs_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    images = rng.random((12, 3, 8, 8), dtype=np.float32)
    np.savez(tmp_path / "probes.npz", images=images, labels=np.arange(12) % 3)
    small = ["--device", "cpu", "--architecture", "plain", "--probes", str(tmp_path / "probes.npz")]
    small += ["--planes", "2", "--size", "12", "--rounds", "1", "--batches", "4", "--images", "8"]
    assert gpu_check.main(small) == 0
    told = capsys.readouterr().out
    assert "CPU, N 2, S 12" in told
    assert told.count("100.000%") == 2
    for name in ("network.pt2", "network.onnx", "plain loop, plain", "bfloat16, channels last"):
        assert name in told
    assert told.endswith("no goal is missed\n")


def test_it_needs_a_gpu_unless_told_otherwise(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        gpu_check.main([])
    assert "PyTorch finds no GPU; try --device cpu" in capsys.readouterr().err


def test_what_falls_short_is_named_with_the_goal() -> None:
    good = Asked(1.0, 200_000, 0.2, 20_000, 0.9995, {})
    assert misses("m", good, plain=20.0) == []
    assert misses("m", good, plain=None) == []
    bad = Asked(2.0, 200_000, 0.3, 20_000, 0.99, {})
    assert misses("m", bad, plain=20.0) == [
        "m: 99.000% of the labels agree, not 99.9%",
        "m: dense took 2.00 s, not 1.0 s",
        "m: adaptive took 0.30 s, not 0.2 s",
        "m: 10.0 times the plain loop, not 20",
    ]
