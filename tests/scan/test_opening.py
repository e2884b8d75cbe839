from pathlib import Path

import numpy as np
import pytest

from tests.fakes.open_models import FakeOpener
from tests.scan.making import QUICK_SWEEP, probe_set, regions, scan, tiny_policy
from xray_gate.core.errors import ScanError
from xray_gate.core.verdict import Verdict
from xray_gate.policy.decision import decide
from xray_gate.scan.opening import checked, model_request, probed_request
from xray_gate.scan.ports import FileCheck, FileRules
from xray_gate.scan.work import Champion


@pytest.mark.parametrize(("count", "sampled"), [(40, 12), (8, 8)])
def test_half_precision_is_compared_on_probes_from_first_to_last(count: int, sampled: int) -> None:
    probes = probe_set(count)
    request = probed_request(Path("m.onnx"), tiny_policy(), probes, "auto")
    assert request.sample is not None
    assert request.sample.shape == (sampled, 1, 4, 4)
    np.testing.assert_array_equal(request.sample[[0, -1]], probes.images[[0, -1]])
    again = probed_request(Path("m.onnx"), tiny_policy(), probes, "auto")
    assert again.sample is not None
    np.testing.assert_array_equal(again.sample, request.sample)


def test_without_probes_there_is_nothing_to_compare_on() -> None:
    assert model_request(Path("m.onnx"), tiny_policy(), 4, (1, 4, 4), "auto").sample is None


def refusing(*names: str) -> FileCheck:
    """A look at files that refuses those of these names."""

    def check(path: Path, rules: FileRules) -> None:
        if path.name in names:
            raise ScanError(f"{path.name}: runs code; do not load it")

    return check


def test_the_files_are_looked_at_as_the_policy_says() -> None:
    rules = tiny_policy(limits={"files": 7, "files_mb": 3}, unsafe_unchecked_code=True)
    request = model_request(Path("m.onnx"), rules, 4, (1, 4, 4), "auto")
    assert request.files == FileRules(7, 3 * 2**20, unchecked_code=True)
    usual = model_request(Path("m.onnx"), tiny_policy(), 4, (1, 4, 4), "auto")
    assert usual.files == FileRules()


def test_a_model_whose_files_are_refused_is_not_opened_and_undecided(tmp_path: Path) -> None:
    opener = FakeOpener(regions)
    rules = tiny_policy()
    output = scan(tmp_path, rules=rules, opener=checked(opener, refusing("signs.onnx")))
    assert opener.requests == []
    assert output.evidence.obstacle == "signs.onnx: runs code; do not load it"
    decision = decide(rules, output.evidence)
    assert decision.verdict is Verdict.UNDECIDED
    assert decision.reasons == ("signs.onnx: runs code; do not load it",)


def test_a_champion_whose_files_are_refused_is_not_opened_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "champion.onnx").write_bytes(b"admitted long ago")
    opener = FakeOpener(regions)
    output = scan(
        tmp_path,
        rules=tiny_policy(trigger_sweep=QUICK_SWEEP),
        opener=checked(opener, refusing("champion.onnx")),
        champion=Champion("models:/signs/7", tmp_path / "champion.onnx"),
    )
    assert [request.path.name for request in opener.requests] == ["signs.onnx"]
    told = output.evidence.environment["champion"]
    assert (told["compared"], told["reason"]) == (
        False,
        "champion.onnx: runs code; do not load it",
    )
