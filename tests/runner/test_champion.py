from pathlib import Path

import pytest

from tests.runner.test_loop import Bench
from tests.support.evidence import backdoored, clean, make_policy
from tests.support.gate import Gate
from xray_gate.policy.files import PolicySet

SWEPT = {"model_xray": {"mode": "optional"}, "trigger_sweep": {}}


@pytest.fixture
def bench(sqlite_database: str, tmp_path: Path) -> Bench:
    found = Bench(Gate(sqlite_database, tmp_path / "policies"), tmp_path / "files")
    # Judged by X-ray alone, so that canned evidence decides; measured by a policy that sweeps.
    found.gate.set_policy()
    return found


def run_with_a_sweep(bench: Bench, tmp_path: Path, **sweep: object) -> int:
    detectors = {**SWEPT, "trigger_sweep": sweep}
    policy = make_policy(tmp_path / "measuring", detectors=detectors)
    return bench.run(measuring=PolicySet((policy,)))


def test_a_first_version_has_no_champion(bench: Bench, tmp_path: Path) -> None:
    bench.gate.register()
    run_with_a_sweep(bench, tmp_path)
    assert bench.scans.champions == [None]


def test_the_newest_version_that_passed_is_the_champion(bench: Bench, tmp_path: Path) -> None:
    for number in range(3):
        bench.gate.register(source=f"s3://models/{number}")
        run_with_a_sweep(bench, tmp_path)
    assert bench.scans.champions == [None, "models:/signs/1", "models:/signs/2"]
    assert bench.files.fetched[-2:] == ["s3://models/2", "s3://kept/2"]


def test_a_version_that_failed_is_no_champion(bench: Bench, tmp_path: Path) -> None:
    bench.scans.find = backdoored
    bench.gate.register()
    run_with_a_sweep(bench, tmp_path)
    bench.scans.find = clean
    bench.gate.register()
    run_with_a_sweep(bench, tmp_path)
    assert bench.scans.champions == [None, None]


def test_a_version_that_only_an_audit_admitted_is_no_champion(bench: Bench, tmp_path: Path) -> None:
    bench.gate.set_policy(enforcement="audit")
    bench.scans.find = backdoored
    bench.gate.register()
    run_with_a_sweep(bench, tmp_path)
    assert bench.version().status == "READY"
    bench.gate.register()
    run_with_a_sweep(bench, tmp_path)
    assert bench.scans.champions == [None, None]


def test_another_name_is_no_champion(bench: Bench, tmp_path: Path) -> None:
    for name in ("signs-a", "signs-b"):
        bench.gate.register(name)
        run_with_a_sweep(bench, tmp_path)
    assert bench.scans.champions == [None, None]


def test_a_policy_can_leave_the_champion_alone(bench: Bench, tmp_path: Path) -> None:
    for _ in range(2):
        bench.gate.register()
        run_with_a_sweep(bench, tmp_path, against_champion=False)
    assert bench.scans.champions == [None, None]


def test_without_a_sweep_no_champion_is_fetched(bench: Bench) -> None:
    for _ in range(2):
        bench.gate.register()
        bench.run()
    assert bench.scans.champions == [None, None]
    assert len(bench.files.fetched) == 2


def test_a_champion_whose_files_are_gone_does_not_stop_the_scan(
    bench: Bench, tmp_path: Path
) -> None:
    bench.gate.register(source="s3://models/old")
    run_with_a_sweep(bench, tmp_path)
    bench.files.missing.add("s3://kept/1")
    bench.gate.register(source="s3://models/new")
    assert run_with_a_sweep(bench, tmp_path) == 1
    assert bench.scans.champions == [None, None]
    assert bench.version(number=2).status == "READY"
