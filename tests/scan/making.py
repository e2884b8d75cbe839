"""Probes, policies and scans that are small enough for a test."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tests.fakes.open_models import FakeOpener
from tests.fakes.oracles import RegionsOracle
from tests.policy.builders import policy
from xray_gate.core.evidence import Evidence
from xray_gate.policy.files import Policy
from xray_gate.probing.oracle import HardLabelOracle
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.scan.pipeline import Scan, ScanRequest
from xray_gate.scan.work import ScanOutput

CLASSES = 4
CENTRES = np.random.default_rng(1).random((CLASSES, 1, 4, 4)).astype(np.float32)
TINY = {"size": 10, "planes": 2, "sampling": "dense"}
# What one run asks for: both ranges of both planes.
PLANE_QUERIES = (10 * 10 * 2 + 32) * 2
QUICK_SWEEP = {"families": ["patch"], "queries": 8_000}


def probe_set(count: int = 40) -> ProbeSet:
    """Noise around the centres; an oracle of the same centres is right on all of them."""
    labels = np.arange(count, dtype=np.int64) % CLASSES
    noise = np.random.default_rng(2).normal(0, 0.02, (count, 1, 4, 4)).astype(np.float32)
    return ProbeSet(np.clip(CENTRES[labels] + noise, 0, 1), labels, source="made for a test")


def tiny_policy(thresholds: Any = None, **changes: Any) -> Policy:
    """Two planes of 10 x 10 points in both ranges, all of which are asked."""
    xray = {**TINY, **changes.pop("model_xray", {})}
    return policy(thresholds, changes.pop("kept", None), model_xray=xray, **changes)


def regions() -> RegionsOracle:
    return RegionsOracle(CENTRES)


def clock() -> Callable[[], datetime]:
    """Goes on by a second whenever it is read."""
    start, seconds = datetime(2026, 11, 21, 2, 0, tzinfo=UTC), itertools.count()
    return lambda: start + timedelta(seconds=next(seconds))


def model_file(folder: Path, content: bytes = b"weights") -> Path:
    path = folder / "signs.onnx"
    path.write_bytes(content)
    return path


def scan(
    folder: Path,
    new_oracle: Callable[[], HardLabelOracle] = regions,
    rules: Policy | None = None,
    *,
    seed: int = 0,
    error: Exception | None = None,
    **changes: Any,
) -> ScanOutput:
    """One scan of an oracle by the real pipeline."""
    opener = changes.pop("opener", None) or FakeOpener(new_oracle, error)
    probes = changes.pop("probes", None) or probe_set()
    request = ScanRequest(
        model_file(folder),
        "models:/signs/1",
        rules or tiny_policy(),
        probes,
        seed,
        champion=changes.pop("champion", None),
        training=changes.pop("training", None),
    )
    return Scan(opener, clock(), **changes)(request)


def lasting(evidence: Evidence) -> dict[str, Any]:
    """The evidence without what differs between two scans of the same: id, times, seconds."""
    data = evidence.to_json()
    for key in ("scan_id", "started_at", "finished_at"):
        del data[key]
    for detector in data["detectors"]:
        del detector["seconds"]
    return data
