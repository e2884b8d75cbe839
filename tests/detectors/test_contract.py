"""What holds for every detector that this release can run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from xray_gate.core.errors import InputError
from xray_gate.detectors.all_detectors import ALL_DETECTORS
from xray_gate.detectors.interface import Detector, Subject
from xray_gate.probing.batches import Images
from xray_gate.probing.oracle import HardLabelOracle
from xray_gate.probing.training_data import open_training_data
from xray_gate.testing.contract import DetectorContract
from xray_gate.testing.models import small_model

# Small enough to run in a blink; a new detector has to name its own.
QUICK: dict[str, Mapping[str, Any]] = {
    "model_xray": {"size": 12, "planes": 3},
    "trigger_sweep": {"families": ["patch"], "queries": 8_000},
    "b3d": {"iterations": 4, "batch": 8, "samples": 4},
    "dtinspector": {"iterations": 4, "batch": 8, "samples": 10},
}


class OfOurs(DetectorContract):
    name: ClassVar[str]

    def build(self, query_budget: int | None = None) -> Detector:
        return build(self.name, query_budget)


class TestModelXray(OfOurs):
    name = "model_xray"


class TestTriggerSweep(OfOurs):
    name = "trigger_sweep"


class TestB3D(OfOurs):
    name = "b3d"


class TestDTInspector(OfOurs):
    name = "dtinspector"

    @pytest.fixture(autouse=True)
    def _training_data(self, tmp_path: Path) -> None:
        images = np.random.default_rng(3).random((300, 1, 4, 4)).astype(np.float32)
        labels = small_model().labels(Images(images))
        np.savez(tmp_path / "train.npz", images=images, labels=labels)
        self._training = open_training_data(tmp_path / "train.npz")

    def subject(self, oracle: HardLabelOracle) -> Subject:
        return replace(super().subject(oracle), training=self._training)


def build(name: str, query_budget: int | None = None) -> Detector:
    return ALL_DETECTORS[name].from_json(QUICK[name], query_budget)


def test_every_detector_is_held_to_the_contract() -> None:
    assert {contract.name for contract in OfOurs.__subclasses__()} == set(ALL_DETECTORS)


@pytest.mark.parametrize("name", ALL_DETECTORS)
def test_a_negative_budget_is_refused_with_the_remedy(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: the query budget is -1; set it"):
        build(name, -1)


@pytest.mark.parametrize("name", ALL_DETECTORS)
def test_an_unknown_parameter_is_named_with_the_detector(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: no parameter 'colour'"):
        ALL_DETECTORS[name].from_json({"colour": 1})
