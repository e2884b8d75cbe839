from pathlib import Path

import pytest

from benchmarks.speed.product import Case
from tests.support.models import write_clean, write_probes
from xray_gate.detectors.model_xray.parameters import ModelXrayParameters
from xray_gate.probing.probe_files import read_probes


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A linear model of 8x8 images, two planes of 12x12 points in both ranges."""
    return Case(
        model=write_clean(tmp_path / "tiny.onnx"),
        probes=read_probes(write_probes(tmp_path / "tiny-probes.npz")),
        parameters=ModelXrayParameters(size=12, planes=2),
    )
