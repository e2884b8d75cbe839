"""Scores next to their thresholds: what the page and the terminal show of a detector."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from xray_gate.report.foreign import as_list, as_mapping, as_number, as_text

_NAMES = {
    "renyi_entropy": "Renyi entropy (RE), bits",
    "ats": "Areas dominated by the triple samples (ATS)",
    "largest_share": "Largest part of the area of one label",
    "runner_up_share": "Second largest part of the area",
    "horizon_agreement": "Opposite points of the horizon with the same label",
    "flip_rate": "Best flip rate to one label",
    "total_flip_rate": "Best flip rate to any other label",
    "p_value": "p-value of the strongest trigger",
    "excess": "Largest excess over the allowance",
    "anomaly_index": "Largest anomaly index",
}
_RANGES = {
    "unclipped": "unclipped range",
    "valid": "valid range",
}
# Mappings with more entries are distributions over labels, not scores to read one by one.
_MOST_PARTS = 4
# Numbers that say how a detector worked, not what it found.
_NO_SCORES = frozenset(
    {
        *("candidate", "candidates", "images", "detection_limit", "champion_queries", "held_back"),
        *("training_accuracy", "training_samples", "planes_drawn", "sampled"),
    }
)
# Statistics by label of which the largest one is the score. It is held against its bound together
# with other conditions (B3D: the size of the mask; DTInspector: whether patches were learned), so
# that by itself it lies on no side.
_LARGEST_OF = frozenset({"anomaly_index"})
# Which of the tested triggers a flip rate is the best of.
_READINGS = {"flip_rate": "all-to-one", "total_flip_rate": "all-to-all"}


@dataclass(frozen=True)
class Measure:
    """One score with its bound, each None where there is none.

    `suspicious` is the side of the bound that speaks for a backdoor, as the policy wrote it:
    `below` and `above` are known. `p_value` and `level` are in [0, 1]. The bound itself is
    suspicious where it is a number of the policy's; one at a level is a clean reference's own
    score, and as such is not. `allowance` is what models without a backdoor stay under, for a
    score that is judged by a p-value. `joint`: the bound is one of several conditions, so that
    alone it puts the score on no side; the bound itself is not suspicious.
    """

    key: str
    score: float | None
    bound: float | None = None
    suspicious: str | None = None
    p_value: float | None = None
    level: float | None = None
    source: str | None = None
    allowance: float | None = None
    joint: bool = False

    @property
    def name(self) -> str:
        """`Renyi entropy (RE), bits, valid range` for the key `renyi_entropy.valid`."""
        first, *rest = self.key.split(".")
        parts = [_NAMES.get(first, first.replace("_", " "))]
        return ", ".join(parts + [_RANGES.get(part, part) for part in rest])

    @property
    def rule(self) -> str:
        """`suspicious at or below 1.21`, `allowance 0.5`, or `no threshold`."""
        if self.bound is None and self.allowance is not None:
            return f"allowance {number(self.allowance)}"
        if self.bound is None:
            return "no threshold"
        side = self.suspicious or "(side not stated)"
        including = "at or " if side in ("below", "above") and not self._strict else ""
        rest = ", not by itself" if self.joint else ""
        return f"suspicious {including}{side} {number(self.bound)}{rest}"

    @property
    def beyond(self) -> bool | None:
        """Whether the score lies on the suspicious side; None where that cannot be told."""
        if self.score is None or self.bound is None or self.joint:
            return None
        if self.suspicious not in ("below", "above"):
            return None
        if self.score == self.bound:
            return not self._strict
        return (self.score < self.bound) == (self.suspicious == "below")

    @property
    def _strict(self) -> bool:
        return self.level is not None or self.joint


def measures(statistics: Mapping[str, Any], thresholds: Mapping[str, Any]) -> list[Measure]:
    """The scores that can be read one by one, and every threshold, in the order of statistics.

    A score is a number, or a number in a small mapping (`renyi_entropy` of `valid`), whose key is
    then joined by a dot, as in the keys of `thresholds`. Unknown shapes are left out, never an
    error: reports of other versions can be shown too.
    """
    scores = dict(_scores(statistics))
    keys = list(scores) + [key for key in thresholds if key not in scores]
    return [
        _measure(key, scores.get(key), thresholds.get(key), _allowance(statistics, key))
        for key in keys
    ]


def number(value: float) -> str:
    """A finite number as a person writes it: `200,000`, `0.184`, `1.21`."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if 0.01 <= abs(value) < 1e6:
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{value:.3g}"


def percent(share: float) -> str:
    """A share in [0, 1] in whole percent, `97 %`; what is not quite all or none does not say so."""
    if 0 < share < 0.005:
        return "< 1 %"
    if 0.995 <= share < 1:
        return "> 99 %"
    return f"{100 * share:.0f} %"


def _scores(statistics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in statistics.items():
        if key in _NO_SCORES:
            continue
        if (score := as_number(value)) is not None:
            yield key, score
        elif key in _LARGEST_OF and (found := _numbers(value)):
            yield key, max(found)
        elif isinstance(value, Mapping) and len(value) <= _MOST_PARTS:
            for part, item in value.items():
                if (score := as_number(item)) is not None:
                    yield f"{key}.{part}", score


def _numbers(value: object) -> list[float]:
    return [found for found in map(as_number, as_list(value)) if found is not None]


def _allowance(statistics: Mapping[str, Any], key: str) -> float | None:
    """The allowance of the tested trigger that reached the flip rate `key`, where it is known."""
    for tested in map(as_mapping, as_list(statistics.get("tested"))):
        reading = as_mapping(tested.get("reading")).get("kind")
        if key in _READINGS and reading == _READINGS[key]:
            share, score = as_number(tested.get("share")), as_number(statistics.get(key))
            if share is not None and score is not None and math.isclose(share, score):
                return as_number(tested.get("allowance"))
    return None


def _measure(key: str, score: float | None, threshold: object, allowance: float | None) -> Measure:
    said = threshold if isinstance(threshold, Mapping) else {"bound": threshold}
    return Measure(
        key,
        score,
        bound=as_number(said.get("bound")),
        suspicious=as_text(said.get("suspicious")),
        p_value=as_number(said.get("p_value")),
        level=as_number(said.get("level")),
        source=as_text(said.get("source")),
        allowance=allowance,
        joint=key in _LARGEST_OF,
    )
