from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.lab.networks.blocks import Shape
from benchmarks.lab.networks.small import mobile
from benchmarks.speed.models import KINDS, Kind, vit_b16, write
from benchmarks.speed.runtimes import open_runtime
from xray_gate.probing.probe_files import read_probes

TINY = Kind(mobile, Shape(3, 32, 10))


def test_a_model_gives_its_probes_their_labels_in_both_formats(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    write("tiny", TINY, tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)
    probes = read_probes(tmp_path / "tiny-probes.npz")
    assert probes.images.shape == (60, 3, 32, 32)
    assert len(probes.present_classes) >= 3
    for suffix in (".onnx", ".pt2"):
        model = open_runtime(tmp_path / f"tiny{suffix}", "cpu", 1)
        scores = model.fetch(model.run(model.put(probes.images)))
        assert (scores.argmax(axis=1) == probes.labels).mean() > 0.95


def test_a_model_of_one_label_is_refused(tmp_path: Path) -> None:
    def blind(shape: Shape) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(shape.channels * shape.side**2, 1))

    with pytest.raises(RuntimeError, match="take another seed"):
        write("blind", Kind(blind, Shape(3, 8, 1)), tmp_path)


def test_the_transformer_is_of_size_b_with_patches_of_16() -> None:
    assert KINDS["vit_b16"].shape == Shape(3, 224, 10)
    with torch.device("meta"):
        network = vit_b16(Shape(3, 224, 1000))
    parameters = sum(p.numel() for p in network.parameters())
    # 86,567,656 with a class token and its position, which are 2 * 768.
    assert parameters == 86_567_656 - 2 * 768
    assert np.prod(network.positions.shape) == 196 * 768  # type: ignore[arg-type]
