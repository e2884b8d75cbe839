import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab.table.rows import gate_reading, known, read_models, readings


def entry(file: str, attack: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "file": file,
        "dataset": "cifar10",
        "architecture": "preact",
        "attack": attack,
        "mapping": None if attack is None else "all_to_one",
        "target_label": None if attack is None else 3,
        "target_labels": None if attack is None else [3],
        "failed_attack": False,
        "sha256": f"digest of {file}",
        **changes,
    }


def found(outcome: str, suspected: tuple[int, ...] = (), **changes: Any) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "suspected": list(suspected),
        "statistics": {},
        "thresholds": {},
        "queries": 100,
        "seconds": 2.0,
        **changes,
    }


def sweep(p: float, outcome: str, suspected: tuple[int, ...] = ()) -> dict[str, Any]:
    return found(
        outcome,
        suspected,
        statistics={"p_value": p, "excess": 0.0},
        thresholds={"p_value": {"bound": 0.01, "suspicious": "below", "source": "policy"}},
    )


def xray(p: float, outcome: str, suspected: tuple[int, ...] = ()) -> dict[str, Any]:
    return found(
        outcome,
        suspected,
        statistics={"renyi_entropy": {"unclipped": 0.5, "valid": 0.7}},
        thresholds={"renyi_entropy.valid": {"bound": 1.0, "p_value": p, "level": 0.05}},
    )


def test_low_entropies_and_small_p_values_score_high() -> None:
    said = readings({"model_xray": xray(0.04, "failed", (3,)), "trigger_sweep": sweep(1, "passed")})

    assert said["renyi_entropy"].score == -0.5
    assert said["renyi_entropy.valid"].score == -0.7
    assert said["renyi_entropy"].labels == (3,)
    assert said["trigger_sweep"].score == 0
    assert said["trigger_sweep"].refused is False
    assert "b3d" not in said
    assert "ats" not in said


def test_a_score_is_refused_by_its_own_threshold_only() -> None:
    read = {"renyi_entropy": {"valid": 0.7}, "ats": {"valid": 0.2}}
    fixed = {"bound": 0.3, "suspicious": "below"}
    both = {"renyi_entropy.valid": {"bound": 0.6, "suspicious": "below"}, "ats.valid": fixed}
    judged = found("failed", statistics=read, thresholds=both)

    ranked = readings({"model_xray": xray(0.04, "failed")})
    compared = readings({"model_xray": judged})
    undecided = readings({"model_xray": {**judged, "outcome": "inconclusive"}})

    assert ranked["renyi_entropy"].refused is None
    assert ranked["renyi_entropy.valid"].refused is True
    assert readings({"model_xray": xray(0.4, "failed")})["renyi_entropy.valid"].refused is False
    assert (compared["renyi_entropy.valid"].refused, compared["ats.valid"].refused) == (False, True)
    assert undecided["ats.valid"].refused is None


def test_the_gate_takes_the_strongest_of_the_ratios_and_refuses_at_zero() -> None:
    by_sweep = gate_reading({"a": xray(0.4, "passed"), "b": sweep(1e-6, "failed", (2,))})
    by_xray = gate_reading({"a": xray(0.04, "failed", (5,)), "b": sweep(1, "passed")})
    neither = gate_reading({"a": xray(0.4, "passed"), "b": sweep(1, "passed")})

    assert by_sweep is not None
    assert by_sweep.score == pytest.approx(4)
    assert (by_sweep.refused, by_sweep.labels) == (True, (2,))
    assert by_xray is not None
    assert by_xray.score == pytest.approx(0.0969, abs=1e-3)
    assert (by_xray.refused, by_xray.labels) == (True, (5,))
    assert neither is not None
    assert neither.score < 0
    assert (neither.refused, neither.queries, neither.seconds) == (False, 200, 4.0)


def test_a_detector_that_could_not_judge_is_no_part_of_the_gate() -> None:
    alone = gate_reading({"a": xray(0.001, "inconclusive"), "b": sweep(0.5, "passed")})
    assert alone is not None
    assert alone.score < 0
    assert alone.queries == 100
    assert gate_reading({"a": xray(0.001, "inconclusive")}) is None


def test_results_join_by_file_and_the_peers_with_them(tmp_path: Path) -> None:
    manifest, scans, peers = (tmp_path / name for name in ("m.json", "s.json", "p.json"))
    manifest.write_text(json.dumps([entry("a.onnx"), entry("b.onnx", "sig"), entry("c.onnx")]))
    row = {"file": "b.onnx", "detectors": {"trigger_sweep": sweep(1e-9, "failed", (3,))}}
    scans.write_text(json.dumps([row]))
    peer = {"file": "a.onnx", "peer": "mm_bd", "score": 1.5, "refused": False, "suspected": [1]}
    peers.write_text(json.dumps([{**peer, "queries": 7, "seconds": 1.0}]))

    clean, attacked = read_models([manifest], [scans], [peers])

    assert (clean.file, clean.cell, list(clean.readings)) == ("a.onnx", None, ["mm_bd"])
    assert clean.readings["mm_bd"].score == 1.5
    assert (attacked.cell, attacked.targets) == ("sig", (3,))
    assert attacked.readings["trigger_sweep"].score == pytest.approx(9)

    manifest.write_text(json.dumps([entry("a.onnx")]))
    with pytest.raises(ValueError, match=r"b\.onnx.*manifest"):
        read_models([manifest], [scans], [peers])


def test_a_mapping_other_than_all_to_one_is_part_of_the_cell() -> None:
    assert known(entry("a", "badnets", mapping="x_to_one")).cell == "badnets, x-to-one"
    assert known(entry("a", "badnets")).cell == "badnets"
    assert known(entry("a")).cell is None
    assert known(entry("a", "badnets", target_label=None, target_labels=[1, 2])).targets == (1, 2)
