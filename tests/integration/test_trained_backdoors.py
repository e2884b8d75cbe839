"""B3D on networks that were trained with a backdoor, and on their clean twins."""

from pathlib import Path

import pytest

from tests.policy.builders import policy
from tests.support.trained import Trained, train
from xray_gate import wiring
from xray_gate.core.evidence import RunState
from xray_gate.scan.pipeline import ScanRequest

pytestmark = pytest.mark.slow

SETTINGS = {"iterations": 150, "batch": 16, "samples": 16, "learning_rate": 0.15}
# Every backdoor leads to the class of its seed's number.
SEEDS = (0, 1, 2, 3)


def scan(trained: Trained) -> list[int]:
    """The labels that B3D suspects."""
    rules = policy(detectors={"b3d": SETTINGS})
    output = wiring.new_scan()(ScanRequest(trained.model, "m", rules, trained.probes, seed=0))
    (found,) = (run for run in output.evidence.detectors if run.name == "b3d")
    assert found.state is RunState.COMPLETED, found.reason
    return [suspect.label for suspect in found.suspected_labels]


def test_three_of_four_backdoors_are_found_with_their_target(tmp_path: Path) -> None:
    found = {}
    for seed in SEEDS:
        trained = train(tmp_path, seed, target=seed)
        assert trained.attack_success > 0.95
        found[seed] = scan(trained)
    assert sum(labels == [seed] for seed, labels in found.items()) >= 3, found
    assert all(labels in ([], [seed]) for seed, labels in found.items()), found


def test_no_clean_twin_is_suspected(tmp_path: Path) -> None:
    found = {seed: scan(train(tmp_path, seed, target=None)) for seed in SEEDS}
    assert not any(found.values()), found
