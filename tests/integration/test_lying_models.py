"""Real models that behave when they are probed, through the whole scan: never a pass, and told."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends import tiny_lying, tiny_onnx, tiny_torch
from tests.backends.tiny_lying import Counting, Lying
from tests.policy.builders import fixed, policy
from xray_gate.core.evidence import AnswerFacts, Evidence, RunState
from xray_gate.core.verdict import Verdict
from xray_gate.policy.decision import decide
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.scan.pipeline import Scan, ScanRequest
from xray_gate.wiring.scanning import load_probes, open_model

pytestmark = [
    # PyTorch's own announcement about TorchScript, which users will have for years.
    pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit.*is not supported in Python:DeprecationWarning"),
]

PROBES = ProbeSet(tiny_lying.clean_images(120), np.arange(120, dtype=np.int64) % 3)
ADMITS_ALL = [fixed(-1.0, "below", "renyi_entropy.unclipped")]


def scanned(
    path: Path, seed: int = 0, probes: ProbeSet = PROBES, **xray: Any
) -> tuple[Evidence, Verdict]:
    settings = {"size": 30, "planes": 6, **xray}
    rules = policy(ADMITS_ALL, model_xray=settings)
    request = ScanRequest(path, path.name, rules, probes, seed, to_the_end=True)
    evidence = Scan(open_model, lambda: datetime(2026, 11, 22, tzinfo=UTC))(request).evidence
    return evidence, decide(rules, evidence).verdict


def answers(evidence: Evidence) -> AnswerFacts:
    assert evidence.answers is not None, evidence.obstacle
    return evidence.answers


HONEST: dict[str, Callable[[Path], Path]] = {
    "onnx": lambda folder: tiny_onnx.brightest_channel(folder / "m.onnx"),
    "onnx, softmax": lambda folder: tiny_onnx.brightest_channel_softmax(folder / "m.onnx"),
    "onnx, labels": lambda folder: tiny_onnx.brightest_channel_label(folder / "m.onnx"),
    "onnx, half": lambda folder: tiny_onnx.brightest_channel_half(folder / "m.onnx"),
    "onnx, by four": lambda folder: tiny_onnx.brightest_channel_by_four(folder / "m.onnx"),
    "torchscript": lambda folder: tiny_torch.save_torchscript(folder / "m.pt"),
    "pt2": lambda folder: tiny_torch.save_pt2_for_any(folder / "m.pt2"),
    "pt2, one": lambda folder: tiny_torch.save_pt2_for_one(folder / "m.pt2"),
}


@pytest.mark.parametrize("save", HONEST.values(), ids=list(HONEST))
def test_an_honest_model_is_never_accused(save: Callable[[Path], Path], tmp_path: Path) -> None:
    evidence, verdict = scanned(save(tmp_path))
    assert (evidence.obstacle, verdict) == (None, Verdict.PASSED)
    assert answers(evidence).clean_among_probing.asked > 20
    assert answers(evidence).clean_among_probing.held == 0
    assert answers(evidence).probing_among_clean.asked == 32
    assert answers(evidence).probing_among_clean.held == 0


@pytest.mark.parametrize(("share", "seed"), [(0.05, 0), (0.5, 1), (0.8, 2)])
def test_another_label_for_whatever_stands_in_a_probed_batch(
    share: float, seed: int, tmp_path: Path
) -> None:
    """Caught by every clean row that stands in a batch with more than that share of odd images.

    A plane of 900 points holds 10 clean rows; the model's own batches are 64 images, nearly all of
    which are odd in most. Where four in five of a plane's batches are so, none of the 10 tells with
    a chance of 0.2 ** 10, 1e-7. The hidden repeats may see it as well, where two of the model's
    batches differ in their share; they end the detector, and the counts are of what came before.
    """
    path = tiny_lying.save_onnx(tmp_path / "m.onnx", "another label", share)
    evidence, verdict = scanned(path, seed, sampling="dense")
    assert verdict is Verdict.UNDECIDED
    assert evidence.obstacle is not None
    held = answers(evidence).clean_among_probing.held
    assert held >= 5
    told = f"answers clean images differently when they stand among probe points: {held} of"
    assert told in evidence.obstacle


BEHAVING: dict[str, Callable[[Path], Path]] = {
    "onnx": lambda folder: tiny_lying.save_onnx(folder / "m.onnx", "behaves", 0.6),
    "torchscript": lambda folder: tiny_lying.save_torchscript(folder / "m.pt", Lying(0.6)),
    "pt2": lambda folder: tiny_lying.save_pt2(folder / "m.pt2", 0.6),
}


@pytest.mark.parametrize("save", BEHAVING.values(), ids=list(BEHAVING))
def test_a_model_that_behaves_in_a_probed_batch(
    save: Callable[[Path], Path], tmp_path: Path
) -> None:
    """Its clean samples have their labels in either company; only points among them tell.

    Two in three odd points have another label in the behaving answers. The chance that none of 32
    has is (1 / 3) ** 32, 5e-16.
    """
    evidence, verdict = scanned(save(tmp_path), pixel_ranges=["unclipped"], sampling="dense")
    assert verdict is Verdict.UNDECIDED
    assert evidence.obstacle is not None
    assert answers(evidence).clean_among_probing.disagreed == 0
    held = answers(evidence).probing_among_clean.held
    assert held > 8
    told = f"answers probe points differently when they stand among clean images: {held} of 32"
    assert told in evidence.obstacle


@pytest.mark.slow
def test_a_backdoored_network_with_a_clean_one_for_the_probes(tmp_path: Path) -> None:
    """The demo's two models in one file: its planes are those of the clean one, and would pass.

    Some points are answered by the backdoored one, which gives nearly all of them its target: the
    chance that none of 32 differs is under 0.5 ** 32, 3e-10.
    """
    demo = Path(str(files("xray_gate") / "data" / "demo"))
    backdoored, clean = demo / "backdoored.onnx", demo / "clean.onnx"
    path = tiny_lying.save_two_networks(tmp_path / "m.onnx", backdoored, clean, share=0.5)
    probes = load_probes(demo / "probes.npz", policy())
    found = {file: scanned(file, probes=probes, planes=3)[0] for file in (path, backdoored, clean)}
    entropy = {
        file: evidence.detectors[0].statistics["renyi_entropy"]["valid"]
        for file, evidence in found.items()
    }
    assert entropy[backdoored] < 0.5 < 1.0 < entropy[path]
    assert abs(entropy[path] - entropy[clean]) < 0.2
    assert (found[backdoored].obstacle, found[clean].obstacle) == (None, None)
    assert found[path].obstacle is not None
    assert answers(found[path]).probing_among_clean.held >= 8


def test_what_was_measured_stands_beside_the_obstacle(tmp_path: Path) -> None:
    """So that a person sees it; nothing is admitted for it."""
    path = tiny_lying.save_onnx(tmp_path / "m.onnx", "behaves", 0.6)
    evidence, verdict = scanned(path, pixel_ranges=["unclipped"], sampling="dense")
    xray = next(item for item in evidence.detectors if item.name == "model_xray")
    assert (xray.state, xray.queries) == (RunState.COMPLETED, 6 * 30 * 30)
    assert verdict is Verdict.UNDECIDED


def test_a_model_that_counts_its_calls_and_turns_among_the_planes(tmp_path: Path) -> None:
    """The checks before take some 25 calls of 64 images or one, and the planes 90: half-way.

    Of 32 points about 16 were answered before, and two in three of them change: the chance that
    none does is (2 / 3) ** 32, 2e-6.
    """
    path = tiny_lying.save_torchscript(tmp_path / "m.pt", Counting(until=70))
    evidence, verdict = scanned(path, pixel_ranges=["unclipped"], sampling="dense")
    assert verdict is Verdict.UNDECIDED
    assert evidence.obstacle is not None
    assert answers(evidence).probing_among_clean.held >= 4
