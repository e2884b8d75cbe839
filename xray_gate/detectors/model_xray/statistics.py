"""What Model X-ray says of the planes that it drew."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from xray_gate.core.evidence import SuspectedLabel
from xray_gate.detectors.interface import Findings
from xray_gate.detectors.model_xray.parameters import HORIZON, ModelXrayParameters
from xray_gate.probing.horizon import HorizonLabels, agreeing_shares
from xray_gate.probing.plane_sampling import SampledGrid
from xray_gate.probing.planes import PixelRange, ScannedPlane
from xray_gate.probing.regions import label_shares

# This project's reading of "stands out"; the paper names no bound (it saw shares of 0.8 to 0.9).
_MAJORITY = 0.5
_TIMES_THE_RUNNER_UP = 2.0

Shares = npt.NDArray[np.float64]


@dataclass
class Drawn:
    """What a scan has so far: planes with their grids, in one order, and the horizons of all."""

    planes: list[ScannedPlane] = field(default_factory=list)
    grids: list[SampledGrid] = field(default_factory=list)
    horizons: list[HorizonLabels] = field(default_factory=list)

    def per_plane(self, classes: int) -> dict[str, dict[PixelRange, list[float]]]:
        """The scores that are means over planes, of each plane, by range."""
        found: dict[str, dict[PixelRange, list[float]]] = {"renyi_entropy": {}, "ats": {}}
        for plane in self.planes:
            for name, by_range in found.items():
                by_range.setdefault(plane.pixel_range, []).append(getattr(plane, name))
        if self.horizons:
            each = [float(agreeing_shares([labels], classes).sum()) for labels in self.horizons]
            found["horizon_agreement"] = {HORIZON: each}
        return found

    def scores(self, classes: int) -> dict[str, list[float]]:
        """The same as `statistic.range` to its value on each plane."""
        return {
            f"{name}.{pixel_range}": values
            for name, by_range in self.per_plane(classes).items()
            for pixel_range, values in by_range.items()
        }


def findings(drawn: Drawn, parameters: ModelXrayParameters, classes: int, reason: str) -> Findings:
    """All statistics, with `reason` why no more planes were drawn."""
    ranges = parameters.pixel_ranges
    per_plane = drawn.per_plane(classes)
    shares = {r: _mean_shares(drawn.planes, r, classes) for r in ranges}
    ranked = {r: [*sorted(shares[r].tolist(), reverse=True), 0.0] for r in ranges}
    agreeing = {HORIZON: agreeing_shares(drawn.horizons, classes)} if drawn.horizons else {}
    statistics = {
        **{
            name: {r: float(np.mean(per_plane[name][r])) for r in ranges}
            for name in ("renyi_entropy", "ats")
        },
        "largest_share": {r: ranked[r][0] for r in ranges},
        "runner_up_share": {r: ranked[r][1] for r in ranges},
        "horizon_agreement": {r: float(agreeing[r].sum()) for r in agreeing},
        "label_shares": {r: shares[r].tolist() for r in ranges},
        "horizon_shares": {r: agreeing[r].tolist() for r in agreeing},
        "per_plane": per_plane,
        "planes_drawn": {r: len(per_plane["ats"][r]) for r in ranges},
        "stopped_because": reason,
        "sampled": _sampled(drawn.grids),
    }
    leading = [*_leading(shares.values()), *_shared(agreeing.values())]
    return Findings(statistics, _ranked(leading), tuple(drawn.planes))


def _sampled(grids: Sequence[SampledGrid]) -> dict[str, float]:
    """How much was asked; `wrong_at_most` is the exact upper 95 % bound (Clopper and Pearson)."""
    checked, wrong = sum(grid.checked for grid in grids), sum(grid.wrong for grid in grids)
    most = float(betaincinv(wrong + 1, checked - wrong, 0.95)) if wrong < checked else 1.0
    return {
        "share": sum(grid.asked for grid in grids) / sum(grid.labels.size for grid in grids),
        "checked": checked,
        "wrong": wrong,
        "wrong_at_most": most if checked else 0.0,
    }


def _mean_shares(scanned: Sequence[ScannedPlane], pixel_range: PixelRange, classes: int) -> Shares:
    planes = [plane for plane in scanned if plane.pixel_range == pixel_range]
    total = np.sum([label_shares(plane.labels, classes) for plane in planes], axis=0)
    mean: Shares = total / len(planes)
    return mean


def _leading(distributions: Iterable[Shares]) -> Iterator[SuspectedLabel]:
    for distribution in distributions:
        label = int(distribution.argmax())
        share = float(distribution[label])
        runner_up = float(np.delete(distribution, label).max(initial=0.0))
        if share >= _MAJORITY or share >= _TIMES_THE_RUNNER_UP * runner_up:
            yield SuspectedLabel(label, share)


def _shared(agreeing: Iterable[Shares]) -> Iterator[SuspectedLabel]:
    for shares in agreeing:
        label = int(shares.argmax())
        if shares[label] >= _MAJORITY:
            yield SuspectedLabel(label, float(shares[label]))


def _ranked(suspects: Sequence[SuspectedLabel]) -> tuple[SuspectedLabel, ...]:
    """Each label once, with its largest share, the largest first."""
    best: dict[int, float] = {}
    for suspect in suspects:
        best[suspect.label] = max(suspect.share, best.get(suspect.label, 0.0))
    ordered = sorted(best.items(), key=lambda item: (-item[1], item[0]))
    return tuple(SuspectedLabel(label, share) for label, share in ordered)
