"""The history that the benchmark of a replay makes is one that a replay reads."""

from pathlib import Path

from benchmarks.replay_time import POLICIES, fill, tightened
from xray_gate.core.verdict import Verdict
from xray_gate.policy.declared import read_evidence
from xray_gate.policy.files import PolicySet, read_policy
from xray_gate.wiring.reading import replay_policies
from xray_gate.wiring.stores import registry_engine


def test_every_scan_is_replayed_and_half_of_them_change(tmp_path: Path) -> None:
    policy = read_policy(POLICIES / "strict.yaml")
    evidence = [read_evidence(path) for path in sorted((POLICIES / "evidence").glob("*.json"))]
    uri = f"xray-gate+sqlite:///{tmp_path / 'mlflow.db'}"
    fill(registry_engine(uri), policy, evidence, 12)
    same = replay_policies(uri, "default", PolicySet((policy,)))
    assert len(same) == 12
    assert len({row.digest for row in same}) == 12
    assert {row.after.verdict for row in same} == set(Verdict)
    assert not any(row.is_changed for row in same)
    stricter = replay_policies(uri, "default", PolicySet((tightened(policy),)))
    # Clean and backdoored alike: both models are right on three of four samples.
    assert sum(row.is_changed for row in stricter) == 6
