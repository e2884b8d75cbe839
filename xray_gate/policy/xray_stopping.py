"""When Model X-ray has drawn enough planes: a further one would not change what its rule says.

The scores that are judged are means over N planes through random triples. After n of them the mean
over all N is predicted by a Student interval with the finite population's correction: its standard
error is s * sqrt(1/n - 1/N), s being the spread of the planes so far. A score is settled when that
interval lies on one side of its bound. The chance of being wrong is shared out over all looks and
statistics (Bonferroni), so that it holds however often one looks; it rests on scores of planes that
are near enough to normal, which benchmarks hold against full scans.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xray_gate.core.evidence import DetectorEvidence
from xray_gate.policy.rule import CannotJudge, as_mapping, finite_number
from xray_gate.policy.xray_check import Check

Scores = Mapping[str, Sequence[float]]

# A few planes look alike by chance, and a rare one that differs then changes the mean. No planes
# are taken to spread less than about two thirds of what clean models show (bits; shares of area).
_LEAST_SPREAD = {"renyi_entropy": 0.3, "ats": 0.06}
_NOTHING_TO_SETTLE = "no threshold judges these scores, so more planes decide nothing"


@dataclass(frozen=True)
class XrayStopping:
    """Says when the scores of `planes` planes are settled, looking after each `least` of them.

    `thresholds`: statistic to threshold as judgements hold them. `error`: the chance at which all
    planes may say otherwise.
    """

    thresholds: Mapping[str, Mapping[str, Any]]
    planes: int
    least: int
    error: float

    @classmethod
    def by(cls, checks: Sequence[Check], parameters: Mapping[str, Any]) -> "XrayStopping":
        """For the bounds of these checks, with the parameters of a scan.

        Raises `CannotJudge` where those are not what a scan's parameters are.
        """
        planes, least, error = (
            finite_number(parameters.get(name)) for name in ("planes", "least_planes", "stop_error")
        )
        if not (planes and least and error):
            raise CannotJudge(
                "the evidence does not say how many planes were to be drawn; scan again with this "
                "policy"
            )
        thresholds = {check.statistic: check.threshold for check in checks}
        return cls(thresholds, int(planes), int(least), error)

    def judges(self, kind: str) -> bool:
        """Whether a statistic of this pixel range is judged."""
        return any(statistic.endswith(f".{kind}") for statistic in self.thresholds)

    def settled(self, scores: Scores) -> str | None:
        """Why more planes would not change the verdict; None if they might."""
        if not self.thresholds:
            return _NOTHING_TO_SETTLE
        beyond = self.beyond(scores)
        if beyond is None:
            return None
        guessed = any(len(scores.get(name, ())) < self.planes for name in self.thresholds)
        chance = f", but for a chance of {100 * self.error:.3g} %" if guessed else ""
        which = beyond[0] if beyond else "no judged score"
        return f"{which} of all {self.planes} planes lies beyond its bound{chance}"

    def beyond(self, scores: Scores) -> list[str] | None:
        """The judged scores that lie beyond their bounds, whatever further planes say.

        Where there are none, all lie within; None while any may do either.
        """
        found = {name: self._beyond(name, scores.get(name, ())) for name in self.thresholds}
        beyond = [name for name, is_beyond in found.items() if is_beyond]
        return beyond if beyond or None not in found.values() else None

    def _beyond(self, statistic: str, values: Sequence[float]) -> bool | None:
        """Whether the mean of all planes lies beyond the bound; None while it may do either."""
        threshold = self.thresholds[statistic]
        low, high = self._interval(statistic, values)
        bound, side = float(threshold["bound"]), threshold["suspicious"]
        if side == "above":
            low, high, bound = -high, -low, -bound
        upper = float(threshold["upper_bound"]) if side == "both" else math.inf
        if high < bound or low > upper:
            return True
        return False if low > bound and high < upper else None

    def _interval(self, statistic: str, values: Sequence[float]) -> tuple[float, float]:
        """Where the mean of all planes lies; its own value once all are there."""
        count, least = len(values), _LEAST_SPREAD.get(statistic.partition(".")[0])
        if count and count >= self.planes:
            return float(np.mean(values)), float(np.mean(values))
        if count < 2 or least is None:
            return -math.inf, math.inf
        # Only scans and their judgements need it; commands that ask nothing start without it.
        from scipy.special import stdtrit

        looks = max(1, -(-self.planes // self.least) - 1)
        sides = 2 if self.thresholds[statistic]["suspicious"] == "both" else 1
        share = self.error / (looks * len(self.thresholds) * sides)
        spread = max(float(np.std(values, ddof=1)), least)
        half = -float(stdtrit(count - 1, share)) * spread * math.sqrt(1 / count - 1 / self.planes)
        return float(np.mean(values)) - half, float(np.mean(values)) + half


def why_stopped(checks: Sequence[Check], detector: DetectorEvidence) -> str | None:
    """A note where a scan drew fewer planes than N for a judged score, None where it drew all.

    The evidence may have been made under another policy: what settled that one's verdict need not
    settle this one's, so it is asked again, of the scores of each plane. Raises `CannotJudge` where
    it is open, or the evidence does not hold those scores.
    """
    stopping = XrayStopping.by(checks, as_mapping(detector.parameters))
    scores = {name: _values(detector, name) for name in stopping.thresholds}
    drawn = {name: _planes(detector, name, len(scores[name])) for name in scores}
    if all(count == stopping.planes for count in drawn.values()):
        return None
    least = min(drawn.values())
    beyond, reason = stopping.beyond(scores), stopping.settled(scores)
    # What was settled has to be what is judged, to the last tie with a bound.
    crossed = any(check.crossed is not None for check in checks)
    if beyond is None or bool(beyond) != crossed:
        raise CannotJudge(
            f"{least} of {stopping.planes} planes were drawn, which leaves open on which side of "
            "this policy's bounds the scores lie; scan again with this policy"
        )
    return f"{least} of {stopping.planes} planes were drawn: {reason}"


def _planes(detector: DetectorEvidence, statistic: str, values: int) -> int:
    """How many planes a score is made of: its values, or the grids where it is no mean of such."""
    if values:
        return values
    drawn = as_mapping(as_mapping(detector.statistics).get("planes_drawn"))
    return int(finite_number(drawn.get(statistic.rpartition(".")[2])) or 0)


def _values(detector: DetectorEvidence, statistic: str) -> list[float]:
    name, _, kind = statistic.partition(".")
    per_plane = as_mapping(as_mapping(detector.statistics).get("per_plane"))
    values = as_mapping(per_plane.get(name)).get(kind)
    numbers = [finite_number(value) for value in values] if isinstance(values, list) else []
    if any(number is None for number in numbers):
        raise CannotJudge(
            f"the evidence has no number for {statistic} on each plane; scan again with this policy"
        )
    return [number for number in numbers if number is not None]
