import json
from pathlib import Path

import pytest

from benchmarks.speed.__main__ import main
from benchmarks.speed.memory import lines
from benchmarks.speed.processes import children, peak_bytes, resident_bytes
from benchmarks.speed.product import Case, opened


def test_the_command_weighs_the_scan_and_the_model_alone(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "memory.json"
    command = ["memory", str(case.model), "--size", "20", "--batch", "64"]
    assert main([*command, "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert (found["size"], found["batch"]) == (20, 64)
    # One range of one plane, with hidden repeats and a horizon.
    assert 400 <= found["queries"] < 500
    for process in ("scan", "bare", "caller"):
        assert 0 < found[process]["open"] <= found[process]["peak"]
    assert found["above_open"] == found["scan"]["peak"] - found["scan"]["open"]
    assert found["above_bare"] == found["scan"]["peak"] - found["bare"]["peak"]
    assert "| the scan's child |" in capsys.readouterr().out


def test_a_missed_goal_says_by_how_much() -> None:
    mib = 2**20
    found = {
        "scan": {"open": 100 * mib, "peak": 1500 * mib},
        "bare": {"open": 50 * mib, "peak": 600 * mib},
        "caller": {"open": 10 * mib, "peak": 10 * mib},
        "above_open": 1400 * mib,
        "above_bare": 900 * mib,
        "goal": 1024 * mib,
    }
    told = lines(found)
    assert "| the scan's child | 100 | 1,500 | 1,400 |" in told
    assert told[-2].endswith("1,400 MiB (goal: under 1,024; missed by 376 MiB)")
    assert told[-1].endswith("900 MiB (goal: under 1,024; met)")


def test_the_process_that_is_weighed_is_the_models(case: Case) -> None:
    before = children()
    with opened(case) as (_, child):
        assert child not in before
        assert 0 < resident_bytes(child) <= peak_bytes(child)
        assert b"xray_gate.backends.child" in Path(f"/proc/{child}/cmdline").read_bytes()
    assert child not in children()
