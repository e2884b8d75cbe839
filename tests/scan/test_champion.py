from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.open_models import FakeOpenModel
from tests.fakes.oracles import OneLabelOracle, RegionsOracle, StatefulOracle
from tests.scan.making import CENTRES, QUICK_SWEEP, lasting, regions, scan, tiny_policy
from xray_gate.core.errors import ModelProcessError
from xray_gate.core.evidence import RunState
from xray_gate.probing.oracle import HardLabelOracle
from xray_gate.scan.digest import model_digest
from xray_gate.scan.ports import ModelRequest, OpenModel
from xray_gate.scan.work import Champion, ScanOutput

SWEEPING = tiny_policy(trigger_sweep=QUICK_SWEEP)


class TwoModels:
    """Opens one model for the champion's path and another one for every other."""

    def __init__(self, champion: Callable[[], HardLabelOracle]) -> None:
        self._champion = champion
        self.opened: list[str] = []
        self.closed = 0

    @contextmanager
    def __call__(self, request: ModelRequest) -> Iterator[OpenModel]:
        self.opened.append(request.path.name)
        oracle = self._champion() if request.path.name == "champion.onnx" else regions()
        try:
            yield FakeOpenModel(oracle)
        finally:
            self.closed += 1


def champion_in(folder: Path) -> Champion:
    path = folder / "champion.onnx"
    path.write_bytes(b"admitted")
    return Champion("models:/signs/7", path)


def compared(folder: Path, oracle: Callable[[], HardLabelOracle]) -> tuple[ScanOutput, TwoModels]:
    opener = TwoModels(oracle)
    output = scan(folder, rules=SWEEPING, opener=opener, champion=champion_in(folder))
    return output, opener


def sweep_statistics(output: ScanOutput) -> dict[str, Any]:
    (found,) = [d for d in output.evidence.detectors if d.name == "trigger_sweep"]
    assert found.state is RunState.COMPLETED, found.reason
    return dict(found.statistics)


def test_the_champion_is_asked_and_named(tmp_path: Path) -> None:
    output, opener = compared(tmp_path, regions)
    assert opener.opened == ["signs.onnx", "champion.onnx"]
    assert opener.closed == 2
    assert output.evidence.environment["champion"] == {
        "ref": "models:/signs/7",
        "digest": model_digest(tmp_path / "champion.onnx"),
        "compared": True,
    }
    statistics = sweep_statistics(output)
    assert statistics["champion_queries"] > 0
    assert all(0 <= test["champion_share"] <= 1 for test in statistics["tested"])


def test_without_a_champion_nothing_is_said_of_one(tmp_path: Path) -> None:
    output = scan(tmp_path, rules=SWEEPING)
    assert "champion" not in output.evidence.environment
    assert sweep_statistics(output)["champion_queries"] == 0


def test_the_planes_do_not_depend_on_the_champion(tmp_path: Path) -> None:
    alone = lasting(scan(tmp_path, rules=SWEEPING).evidence)
    beside = lasting(compared(tmp_path, regions)[0].evidence)
    assert beside["detectors"][0] == alone["detectors"][0]


def unlike() -> HardLabelOracle:
    return RegionsOracle(np.concatenate([CENTRES, CENTRES[:1] / 2]))


@pytest.mark.parametrize(
    ("oracle", "reason"),
    [
        (unlike, "it knows 5 classes, the model 4"),
        (lambda: OneLabelOracle(4), "it is right on 25.0% of the probes only"),
        (lambda: StatefulOracle(CENTRES, 60), "asked for"),
    ],
    ids=["other classes", "inaccurate", "answers change"],
)
def test_a_champion_that_is_no_measure_is_left_out_with_the_reason(
    oracle: Callable[[], HardLabelOracle], reason: str, tmp_path: Path
) -> None:
    output, _ = compared(tmp_path, oracle)
    said = output.evidence.environment["champion"]
    assert said["compared"] is False
    assert reason in said["reason"]
    assert sweep_statistics(output)["champion_queries"] == 0


def test_a_champion_that_cannot_be_opened_is_left_out_with_the_reason(tmp_path: Path) -> None:
    def fail() -> HardLabelOracle:
        raise ModelProcessError("the model's process ended with signal 11; look at the model")

    output, _ = compared(tmp_path, fail)
    assert "signal 11" in output.evidence.environment["champion"]["reason"]
    assert output.evidence.obstacle is None
