"""DTInspector where the model shows gradients, and where those cannot be used."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.detectors.dtinspector.test_detector import (
    BY_GRADIENTS,
    QUICK,
    TARGET,
    suspected,
    trained,
)
from tests.fakes.soft_backdoors import CORNER, PlantedOracle, SlopedOracle
from xray_gate.core.access import Access
from xray_gate.core.evidence import RunState
from xray_gate.detectors.dtinspector.detector import DTInspector
from xray_gate.detectors.interface import DetectorRun, Subject
from xray_gate.probing.answer_checks import CheckedOracle

SEEDS = range(6)


class FalseSlopes(SlopedOracle):
    def __init__(self, centres: object, planted: object) -> None:
        super().__init__(centres, planted, false=True)  # type: ignore[arg-type]


def scan(
    subject: Subject, seed: int = 0, budget: int | None = None, **parameters: Any
) -> DetectorRun:
    rng = np.random.default_rng(seed)
    checked = CheckedOracle(subject.oracle, rng.spawn(1)[0])
    detector = DTInspector.from_json({**BY_GRADIENTS, **parameters}, budget)
    return detector.run(
        Subject(checked, subject.probes, subject.probe_labels, training=subject.training), rng
    )


def test_the_label_of_a_planted_patch_is_found(tmp_path: Path) -> None:
    runs = [scan(trained(tmp_path, seed, kind=SlopedOracle), seed) for seed in SEEDS]
    found = Counter(str(suspected(run)) for run in runs)
    assert found[f"[{TARGET}]"] >= 5
    assert set(found) <= {f"[{TARGET}]", "[]"}
    for run in runs:
        assert run.evidence.access is Access.GRADIENT
        assert run.evidence.statistics["no_gradients"] is None


def test_clean_models_are_not_suspected(tmp_path: Path) -> None:
    runs = [scan(trained(tmp_path, seed, poisoned=0, kind=SlopedOracle), seed) for seed in SEEDS]
    assert [suspected(run) for run in runs] == [[]] * len(SEEDS)


def test_the_patch_breaks_the_trigger_although_the_model_is_sure(tmp_path: Path) -> None:
    """The paper's square error has no slope there: mask and success would both end at nothing."""
    run = scan(trained(tmp_path, 0, kind=SlopedOracle))
    (shown,) = run.triggers
    assert shown.label == TARGET
    assert shown.mask is not None
    assert shown.mask[CORNER].sum() > 0.5 * shown.mask.sum()
    assert run.evidence.statistics["fitted_ratio"][TARGET] >= 0.95
    assert run.evidence.statistics["transfer_ratio"][TARGET] < 0.5


def test_a_seed_fixes_the_evidence(tmp_path: Path) -> None:
    subject = trained(tmp_path, 0, kind=SlopedOracle)
    first, again, other = (scan(subject, seed, steps=20).evidence for seed in (1, 1, 2))
    assert first.statistics == again.statistics
    assert first.statistics != other.statistics


def test_gradients_need_fewer_queries_and_keep_to_the_budget(tmp_path: Path) -> None:
    subject = trained(tmp_path, 0, kind=SlopedOracle)
    evidence = scan(subject).evidence
    limit = evidence.parameters["query_budget"]
    assert evidence.queries <= limit == DTInspector.from_json(BY_GRADIENTS).budget(5, 400)
    assert limit < DTInspector.from_json(QUICK).budget(5, 400) / 5
    spent = scan(subject, budget=1000).evidence
    assert spent.state is RunState.INCONCLUSIVE
    assert "more queries were asked for" in str(spent.reason)
    assert spent.queries <= 1000


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (PlantedOracle, "the model cannot be asked for gradients"),
        (FalseSlopes, "the model's gradients are not those of its answers"),
    ],
)
def test_without_gradients_patches_are_learned_by_queries_or_not_at_all(
    kind: type[PlantedOracle], reason: str, tmp_path: Path
) -> None:
    subject = trained(tmp_path, 0, kind=kind)
    skipped = scan(subject).evidence
    assert skipped.state is RunState.SKIPPED
    assert "learns patches by gradients, and" in str(skipped.reason)
    assert reason in str(skipped.reason)
    either = scan(subject, patches_by="gradients_or_queries", iterations=20, batch=20).evidence
    assert either.state is RunState.COMPLETED
    assert either.access is Access.SOFT_LABEL
    assert reason in either.statistics["no_gradients"]


def test_who_wants_queries_is_not_asked_for_gradients(tmp_path: Path) -> None:
    subject = trained(tmp_path, 0, kind=SlopedOracle)
    assert isinstance(subject.oracle, SlopedOracle)
    evidence = scan(subject, patches_by="queries", iterations=5, batch=20).evidence
    assert evidence.access is Access.SOFT_LABEL
    assert evidence.statistics["no_gradients"] is None
    assert subject.oracle.slope_batches == []
