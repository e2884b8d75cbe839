import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.speed import scan_table, worker
from benchmarks.speed.__main__ import main
from benchmarks.speed.comparing import compare, differences
from benchmarks.speed.plan import ScoredPlane
from benchmarks.speed.product import Case
from benchmarks.speed.runtimes import open_runtime
from benchmarks.speed.ways import ways
from tests.backends.tiny_torch import save_pt2_for_any, save_torchscript
from tests.support.evidence import make_policy, policy_document, write_policy


def test_all_ways_find_the_same_on_a_tiny_model(case: Case, tmp_path: Path) -> None:
    bound = {"statistic": "renyi_entropy.unclipped", "bound": 1.0, "source": "a test"}
    xray = {"size": 12, "planes": 2, "thresholds": [bound], "mode": "optional"}
    # Judged as if no other detector were required.
    policy = make_policy(tmp_path, detectors={"model_xray": xray, "trigger_sweep": {}})
    judged = Case(case.model, case.probes, case.parameters, policy=policy)
    rows = {row["way"]: row for row in compare(judged, ways(), rounds=2)}
    assert [*rows] == ["dense", "adaptive", "plain", "bare"]
    points = 2 * 2 * 12 * 12
    # The product asks about hidden repeats and horizons, too; the plain way about the samples.
    assert rows["dense"]["queries"] >= points
    assert rows["plain"]["queries"] == points + 2 * 3
    assert rows["bare"]["queries"] % rows["bare"]["batch"] == 0
    assert 0 <= rows["bare"]["queries"] - points < rows["bare"]["batch"]
    for way in ("dense", "plain"):
        assert rows[way]["agreement"] == 1.0
        assert rows[way]["entropy_differs"] < 1e-9
        assert rows[way]["ats_differs"] < 1e-9
        assert rows[way]["planes"] == 2
    assert rows["bare"]["agreement"] is None
    assert rows["dense"]["verdict"] == "passed"
    assert rows["dense"]["verdict_as_dense"] is True
    assert rows["adaptive"]["verdict_as_dense"] is True
    assert rows["adaptive"]["agreement"] > 0.9
    assert rows["plain"]["verdict"] is None
    for row in rows.values():
        assert len(row["rounds"]) == 2
        assert row["share"]["least"] <= row["share"]["median"] <= row["share"]["greatest"]
        assert row["published_queries"] == 288
        assert row["peak_bytes"] > 2**20
    # Whoever holds the bare model has nothing else in memory.
    assert rows["bare"]["peak_bytes"] < rows["plain"]["peak_bytes"]


def test_the_command_prints_a_table_and_writes_every_round(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "speed.json"
    command = ["scan", str(case.model), "--planes", "1", "--size", "4", "--ranges", "valid"]
    assert main([*command, "--rounds", "1", "--out", str(out)]) == 0
    told = json.loads(out.read_text())
    assert [row["way"] for row in told["rows"]] == ["dense", "adaptive", "plain", "bare"]
    assert [len(row["rounds"]) for row in told["rows"]] == [1, 1, 1, 1]
    assert told["machine"]["threads"] >= 1
    printed = capsys.readouterr().out
    assert "| tiny.onnx | dense, batch 64 |" in printed
    assert "| 100% | - | - | - | - |" in printed


def test_a_row_says_whether_the_verdict_is_the_same() -> None:
    row = {
        "model": "m",
        "way": "adaptive",
        "batch": None,
        "queries": 1234567,
        "seconds": 1.5,
        "rate": 2000.4,
        "share": {"median": 0.951, "least": 0.9, "greatest": 1.02},
        "agreement": 0.99954,
        "entropy_differs": 0.00128,
        "ats_differs": 0.0,
        "verdict": "passed",
        "verdict_as_dense": False,
        "peak_bytes": 300 * 2**20,
    }
    *_, line = scan_table.lines([row])
    assert line == (
        "| m | adaptive | 1,234,567 | 1.50 | 2,000 | 95.1% (90.0% to 102.0%) | 99.954% | 0.0013 "
        "| 0.0000 | passed, NOT equal | 300 |"
    )
    assert "passed, equal" in scan_table.lines([{**row, "verdict_as_dense": True}])[-1]


def test_only_planes_that_both_have_are_compared() -> None:
    def plane(label: int, entropy: float, ats: float) -> ScoredPlane:
        return ScoredPlane(np.array([[0, label]]), entropy, ats)

    dense = {(n, r): plane(1, 1.0, 0.2) for n in range(3) for r in ("unclipped", "valid")}
    found = {(0, "valid"): plane(0, 1.5, 0.2), (1, "valid"): plane(1, 0.7, 0.1)}
    assert differences(found, dense) == {
        "agreement": 0.75,
        "entropy_differs": pytest.approx(0.1),
        "ats_differs": pytest.approx(0.05),
    }
    assert differences({}, dense)["agreement"] is None


def test_a_way_that_fails_says_so(case: Case) -> None:
    task = worker.Task("bare", case.model.with_name("none.onnx"), (3, 8, 8), "cpu", 1)
    failed = pytest.raises(RuntimeError, match=r"the way bare failed: .*none\.onnx")
    with failed, worker.started(task):
        pass


def test_a_model_that_wants_other_pixels_is_not_compared(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = write_policy(tmp_path, policy_document(preprocessing={"scale": 255.0}))
    with pytest.raises(SystemExit):
        main(["scan", str(case.model), "--policy", str(policy), "--out", str(tmp_path / "o")])
    assert "declares preprocessing" in capsys.readouterr().err


def test_probes_are_looked_for_beside_the_model(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny-probes.npz").unlink()
    with pytest.raises(SystemExit):
        main(["scan", str(case.model), "--out", str(tmp_path / "o")])
    assert "tiny-probes.npz" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("save", "name"), [(save_pt2_for_any, "m.pt2"), (save_torchscript, "m.pt")]
)
@pytest.mark.filterwarnings("ignore:`torch.jit.*is deprecated:DeprecationWarning")
def test_modules_of_pytorch_are_asked_too(
    tmp_path: Path, save: Callable[[Path], Path], name: str
) -> None:
    images = np.random.default_rng(0).random((4, 3, 4, 4), dtype=np.float32)
    model = open_runtime(save(tmp_path / name), "cpu", torch.get_num_threads())
    scores = model.fetch(model.run(model.put(images)))
    model.wait()
    np.testing.assert_allclose(scores, images.mean(axis=(2, 3)), atol=1e-6)


def test_an_onnx_file_is_not_asked_on_a_gpu(case: Case) -> None:
    with pytest.raises(ValueError, match=r"give the model as \.pt2 for cuda"):
        open_runtime(case.model, "cuda", 1)


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["race"]) == 2
    assert "give one of scan, models, memory, registry" in capsys.readouterr().err
