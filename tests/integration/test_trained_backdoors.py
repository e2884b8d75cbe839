"""B3D on networks that were trained with a backdoor, and on their clean twins."""

from pathlib import Path

import pytest

from tests.policy.builders import policy
from tests.support.trained import Trained, train
from xray_gate.core.evidence import RunState
from xray_gate.scan.pipeline import ScanRequest
from xray_gate.wiring import scanning

pytestmark = pytest.mark.slow

SETTINGS = {"iterations": 150, "batch": 16, "samples": 16, "learning_rate": 0.15}
# Every backdoor leads to the class of its seed's number.
SEEDS = (0, 1, 2, 3)


def scan(trained: Trained) -> tuple[list[int], int]:
    """The labels that B3D suspects, and the one with the smallest mask."""
    rules = policy(detectors={"b3d": SETTINGS})
    output = scanning.new_scan()(ScanRequest(trained.model, "m", rules, trained.probes, seed=0))
    (found,) = (run for run in output.evidence.detectors if run.name == "b3d")
    assert found.state is RunState.COMPLETED, found.reason
    sizes = found.statistics["mask_l1"]
    return [suspect.label for suspect in found.suspected_labels], sizes.index(min(sizes))


def test_the_target_has_the_smallest_mask_and_half_of_the_backdoors_are_found(
    tmp_path: Path,
) -> None:
    found = {}
    for seed in SEEDS:
        trained = train(tmp_path, seed, target=seed)
        assert trained.attack_success > 0.95
        found[seed] = scan(trained)
    assert all(smallest == seed for seed, (_, smallest) in found.items()), found
    assert all(labels in ([], [seed]) for seed, (labels, _) in found.items()), found
    assert sum(bool(labels) for labels, _ in found.values()) >= 2, found


def test_no_clean_twin_is_suspected(tmp_path: Path) -> None:
    found = {seed: scan(train(tmp_path, seed, target=None)) for seed in SEEDS}
    assert not any(labels for labels, _ in found.values()), found
