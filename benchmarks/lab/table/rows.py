"""One row a model: what is known of it, and what each scorer says. Read from results of scans."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.detector_table import joined
from benchmarks.sweep_table import score as sweep_score
from xray_gate.policy.f1_bounds import is_beyond

Found = Mapping[str, Any]
_JUDGED = {"failed": True, "passed": False}
# No p-value is taken for smaller than this one, so that its logarithm is a number.
_SMALLEST = 1e-300


@dataclass(frozen=True)
class Reading:
    """What one scorer says of one model.

    ``score``: larger is more suspicious. ``refused``: by the scorer's own threshold, None where it
    has none or could not judge. ``labels``: suspected ones, the most suspected first; some scorers
    name them on a pass, too.
    """

    score: float
    refused: bool | None
    labels: tuple[int, ...]
    queries: int
    seconds: float


@dataclass(frozen=True)
class Model:
    """A model of a table; ``targets`` are the labels that its triggers lead to, if fixed."""

    file: str
    dataset: str
    architecture: str
    attack: str | None
    mapping: str | None
    targets: tuple[int, ...]
    learned: bool
    sha256: str
    readings: dict[str, Reading] = field(default_factory=dict)

    @property
    def cell(self) -> str | None:
        """The attack with its mapping, None for a clean model."""
        if self.attack is None or self.mapping in (None, "all_to_one"):
            return self.attack
        return f"{self.attack}, {self.mapping.replace('_', '-')}"


def known(entry: Mapping[str, Any]) -> Model:
    """A model from its entry of a manifest, without readings."""
    single = entry.get("target_label")
    targets = entry.get("target_labels") or ([] if single is None else [single])
    return Model(
        file=entry["file"],
        dataset=entry["dataset"],
        architecture=entry["architecture"],
        attack=entry["attack"],
        mapping=entry.get("mapping"),
        targets=tuple(targets),
        learned=not entry.get("failed_attack"),
        sha256=entry["sha256"],
    )


def _by_outcome(found: Found) -> bool | None:
    return _JUDGED.get(found["outcome"])


@dataclass(frozen=True)
class Scorer:
    """Reads a detector's findings: ``score`` and ``refused`` as in ``Reading``."""

    detector: str
    score: Callable[[Found], float | None]
    refused: Callable[[Found], bool | None] = _by_outcome


def _sweep(found: Found) -> float | None:
    """-log10 p; how far the strongest trigger is above its allowance breaks ties."""
    p, excess = (found["statistics"].get(name) for name in ("p_value", "excess"))
    return None if p is None else sweep_score({"p_value": p, "excess": excess})


def _of(statistic: str, pixel_range: str, sign: int) -> Scorer:
    def score(found: Found) -> float | None:
        value = found["statistics"].get(statistic, {}).get(pixel_range)
        return None if value is None else sign * float(value)

    def refused(found: Found) -> bool | None:
        """Whether a policy that judges several statistics, or none, refuses by this one."""
        threshold = found["thresholds"].get(f"{statistic}.{pixel_range}")
        if threshold is None or found["outcome"] not in _JUDGED:
            return None
        if "p_value" in threshold:
            return bool(threshold["p_value"] <= threshold["level"])
        value = float(found["statistics"][statistic][pixel_range])
        return is_beyond(value, threshold["bound"], threshold["suspicious"])

    return Scorer("model_xray", score, refused)


def _smallest_mask(found: Found) -> float | None:
    """How much smaller the smallest mask is than the median one, by the logarithm."""
    sizes = found["statistics"].get("mask_l1")
    if not sizes:
        return None
    ordered = sorted(float(size) for size in sizes)
    return math.log(ordered[len(ordered) // 2] + 1) - math.log(ordered[0] + 1)


def _largest_index(found: Found) -> float | None:
    indices = [index for index in found["statistics"].get("anomaly_index", []) if index is not None]
    return max(indices, default=None)


SCORERS = {
    "renyi_entropy": _of("renyi_entropy", "unclipped", -1),
    "renyi_entropy.valid": _of("renyi_entropy", "valid", -1),
    "ats": _of("ats", "unclipped", -1),
    "ats.valid": _of("ats", "valid", -1),
    "horizon_agreement": _of("horizon_agreement", "valid", 1),
    "trigger_sweep": Scorer("trigger_sweep", _sweep),
    "b3d": Scorer("b3d", _smallest_mask),
    "dtinspector": Scorer("dtinspector", _largest_index),
}
GATE = "gate"
PEERS = ("neural_cleanse", "mm_bd")


def _ratios(found: Found) -> Iterable[float]:
    """Level over p of each statistic that was judged by a p-value."""
    for name, threshold in found.get("thresholds", {}).items():
        level = threshold.get("level", threshold.get("bound"))
        p = threshold.get("p_value", found["statistics"].get(name))
        if isinstance(p, float | int) and level:
            yield float(level) / max(float(p), _SMALLEST)


def gate_reading(detectors: Mapping[str, Found]) -> Reading | None:
    """The gate's combined score: the largest log10(level / p) over the detectors that judged.

    A model is refused where it is at least 0, as under a policy whose rule is `any`. Queries and
    seconds are those of these detectors together; None where no detector judged.
    """
    judged = [found for found in detectors.values() if found["outcome"] in _JUDGED]
    pairs = [(ratio, found) for found in judged for ratio in _ratios(found)]
    if not pairs:
        return None
    refused = [found for found in judged if found["outcome"] == "failed"]
    return Reading(
        score=math.log10(max(ratio for ratio, _ in pairs)),
        refused=bool(refused),
        labels=tuple(dict.fromkeys(label for found in refused for label in found["suspected"])),
        queries=sum(found["queries"] for found in judged),
        seconds=sum(found["seconds"] for found in judged),
    )


def readings(detectors: Mapping[str, Found]) -> dict[str, Reading]:
    """What each scorer says, of a row's detectors; those that say nothing are left out."""
    said = {}
    for name, scorer in SCORERS.items():
        found = detectors.get(scorer.detector)
        score = None if found is None else scorer.score(found)
        if found is not None and score is not None:
            labels, cost = tuple(found["suspected"]), (found["queries"], found["seconds"])
            said[name] = Reading(score, scorer.refused(found), labels, *cost)
    gate = gate_reading(detectors)
    return said if gate is None else {**said, GATE: gate}


def _read(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def read_models(
    manifests: Iterable[Path], scans: Iterable[Path], peers: Iterable[Path]
) -> list[Model]:
    """Every model of the manifests that has a reading.

    Args:
        manifests: Of ``benchmarks.lab``; of two entries of one file the last one counts.
        scans: Results of ``benchmarks.detector_table``.
        peers: Results of ``benchmarks.lab.peers``.

    Raises:
        ValueError: If a result is of a model that no manifest names.

    """
    models = {entry["file"]: known(entry) for path in manifests for entry in _read(path)}
    rows = joined(row for path in scans for row in _read(path))
    said = [(row["file"], readings(row["detectors"])) for row in rows]
    for row in (row for path in peers for row in _read(path)):
        suspected = tuple(row["suspected"])
        reading = Reading(row["score"], row["refused"], suspected, row["queries"], row["seconds"])
        said.append((row["file"], {row["peer"]: reading}))
    for file, of_model in said:
        if file not in models:
            raise ValueError(f"{file} has results, but no manifest names it; give its manifest")
        models[file].readings.update(of_model)
    return [model for model in models.values() if model.readings]
