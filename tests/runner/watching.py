"""What tests of metrics, health and logs have in common."""

from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision, Enforcement, Verdict, undecided
from xray_gate.runner.events import FailureKind, Settled
from xray_gate.scan.queue_figures import QueueFigures
from xray_gate.scan.work import Lease, Registration, VersionKey, VersionState

FIGURES = QueueFigures(waiting=3, leased=2, retrying=1, oldest_seconds=12.5)


class Clock:
    """A time in seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Found:
    """An exposition, read by Prometheus' own parser."""

    values: dict[str, float]
    help: dict[str, str]
    types: dict[str, str]
    names: set[str]


def metrics_of(exposition: bytes) -> Found:
    """Each series by its name with labels in order, but for when its counter was made."""
    families = [
        family
        for family in text_string_to_metric_families(exposition.decode())
        if not family.name.endswith("_created")
    ]
    samples = [sample for family in families for sample in family.samples]
    values = {_series(sample): float(sample.value) for sample in samples}
    assert len(values) == len(samples), "a series stands there twice"
    return Found(
        values,
        {family.name: family.documentation for family in families},
        {family.name: family.type for family in families},
        {sample.name for sample in samples},
    )


def _series(sample: Any) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
    return f"{sample.name}{{{labels}}}" if labels else str(sample.name)


def lease(name: str = "signs", attempts: int = 1) -> Lease:
    key = VersionKey("default", name, 1)
    registration = Registration(7, key, "s3://signs", VersionState.WAITING, attempts)
    return Lease(registration, "runner-1", 60.0)


def settled(evidence: Evidence, failure: FailureKind | None = None, name: str = "signs") -> Settled:
    """What the runner tells of a version with this evidence, under a policy of these tests."""
    decision = undecided(evidence.obstacle or "")
    if evidence.obstacle is None:
        suspects = any(found.suspected_labels for found in evidence.detectors)
        verdict = Verdict.FAILED if suspects else Verdict.PASSED
        decision = Decision(verdict, ("a reason",), (), Enforcement.ENFORCE)
    return Settled(lease(name), decision, evidence, failure)


def bad_luck() -> Exception:
    return ConnectionError("postgresql://gate:secret@db/mlflow is away")
