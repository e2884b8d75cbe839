"""Model X-ray: hard labels on planes through triples of clean samples (Su et al., MM '24).

The published scores, each in two pixel ranges over the same planes: `unclipped`, as published,
and `valid`, what a model behind an API would see. The two see different attacks. Beside them one of
this project's own, `horizon_agreement`, on the horizons of the same planes (probing/horizon.py).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self, get_args

import numpy as np
import numpy.typing as npt

from xray_gate.core.access import Access
from xray_gate.core.errors import InputError
from xray_gate.core.evidence import SuspectedLabel
from xray_gate.detectors.interface import Detector, Findings, Inconclusive, Progress, Subject
from xray_gate.detectors.json_parameters import with_names
from xray_gate.probing.batches import FloatArray
from xray_gate.probing.horizon import HorizonLabels, agreeing_shares, horizon_points
from xray_gate.probing.oracle import HardLabelOracle
from xray_gate.probing.planes import NoPlane, PixelRange, Plane, ScannedPlane, draw_planes
from xray_gate.probing.regions import (
    Triple,
    areas_of_triple_samples,
    as_triple,
    label_shares,
    renyi_entropy,
)

# This project's reading of "stands out"; the paper names no bound (it saw shares of 0.8 to 0.9).
_MAJORITY = 0.5
_TIMES_THE_RUNNER_UP = 2.0
_HORIZON: PixelRange = "valid"

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ModelXrayParameters:
    """How planes are laid and scored; the defaults are the paper's, except that both ranges run.

    `eta`: how far a plane reaches beyond the samples' bounding box, in lengths of its sides, 0 to
    100. `size`: grid points along an axis (the paper's S), 2 to 1000. `planes`: how many (N), 1
    to 1000. `alpha`: order of the Renyi entropy, 1 to 1000. `cap`: the share from which a
    sample's region counts 0 (t), above 0 and at most 1. `directions`: points of each plane's
    horizon, an even number from 2 to 1000. Raises `InputError` for anything else.
    """

    eta: float = 5.0
    size: int = 100
    planes: int = 20
    alpha: float = 10.0
    cap: float = 0.5
    pixel_ranges: tuple[PixelRange, ...] = ("unclipped", "valid")
    directions: int = 32

    def __post_init__(self) -> None:
        _require("eta", self.eta, 0.0, 100.0)
        _require("size", self.size, 2, 1000, whole=True)
        _require("planes", self.planes, 1, 1000, whole=True)
        _require("alpha", self.alpha, 1.0, 1000.0)
        # The smallest positive float: a cap of 0 would leave no sample any area.
        _require("cap", self.cap, math.ulp(0.0), 1.0)
        _require("directions", self.directions, 2, 1000, whole=True)
        if self.directions % 2:
            raise InputError(
                f"model_xray: directions is {self.directions}; set it to an even number, so that "
                "each has its opposite"
            )
        known = get_args(PixelRange)
        ranges = self.pixel_ranges
        if not ranges or len(set(ranges)) < len(ranges) or not set(ranges) <= set(known):
            raise InputError(
                f"model_xray: pixel_ranges is {list(ranges)}; name one or more of "
                f"{', '.join(known)}, each once"
            )

    @property
    def queries(self) -> int:
        """How many queries one run makes."""
        horizon = self.directions if self.sees_horizons else 0
        return self.planes * (self.size**2 * len(self.pixel_ranges) + horizon)

    @property
    def sees_horizons(self) -> bool:
        """Whether the valid range is scanned, which horizons belong to."""
        return _HORIZON in self.pixel_ranges

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `from_json` is the way back."""
        return {**asdict(self), "pixel_ranges": list(self.pixel_ranges)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from JSON values; what is left out keeps its default.

        Raises `InputError` for a parameter that is unknown or out of range.
        """
        known = [item.name for item in fields(cls)]
        return cls(**with_names("model_xray", known, data, "pixel_ranges"))


class ModelXray(Detector):
    """Lays planes through random triples of clean samples and scores the model's labels there.

    Statistics: `renyi_entropy` (bits) and `ats` ([0, 1]), the means over the planes, one for each
    pixel range; the same for `largest_share` and `runner_up_share`, of the mean label
    distribution in `label_shares`; and both scores of each plane under `per_plane`. For the valid
    range also `horizon_agreement` ([0, 1], high for backdoored models), the share of opposite
    points of the horizons that have one label, and what each label adds to it, `horizon_shares`.

    A label is suspected where it has the largest share of a range's mean distribution and that
    share is at least 0.5, or at least twice the runner-up's; or where at least half of all opposite
    points have it in common. It is a candidate for the target label, not a verdict: on clean
    models, too, one label can lead.
    """

    name = "model_xray"
    access = Access.HARD_LABEL

    def __init__(
        self, parameters: ModelXrayParameters | None = None, query_budget: int | None = None
    ) -> None:
        chosen = parameters or ModelXrayParameters()
        super().__init__(chosen.to_json(), query_budget)
        self._parameters = chosen

    @classmethod
    def from_json(cls, parameters: Mapping[str, Any], query_budget: int | None = None) -> Self:
        """See `Detector.from_json`."""
        return cls(ModelXrayParameters.from_json(parameters), query_budget)

    def queries_needed(self, classes: int, training: int) -> int:
        """See `Detector.queries_needed`."""
        return self._parameters.queries

    def _scan(self, subject: Subject, rng: np.random.Generator, progress: Progress) -> Findings:
        oracle, probes, probe_labels = subject.oracle, subject.probes, subject.probe_labels
        subject.refuse_one_label("its planes show nothing")
        try:
            drawn = draw_planes(probes, self._parameters.planes, rng)
        except NoPlane as error:
            raise Inconclusive(str(error)) from error
        ranges = self._parameters.pixel_ranges
        scanned: list[ScannedPlane] = []
        horizons: list[HorizonLabels] = []
        for index, (rows, plane) in enumerate(drawn):
            triple = _Triple(
                index,
                plane,
                probes.images[rows],
                as_triple(probes.labels[rows]),
                as_triple(probe_labels[rows]),
            )
            for pixel_range in ranges:
                scanned.append(self._scan_plane(oracle, triple, pixel_range))
                progress(len(scanned), len(drawn) * len(ranges))
            if self._parameters.sees_horizons:
                points = horizon_points(plane, self._parameters.directions)
                horizons.append(oracle.labels(points).astype(np.int32))
        return _findings(scanned, horizons, ranges, oracle.classes)

    def _scan_plane(
        self, oracle: HardLabelOracle, triple: "_Triple", pixel_range: PixelRange
    ) -> ScannedPlane:
        p = self._parameters
        points = triple.plane.points(p.size, p.eta, clip=pixel_range == "valid")
        labels = oracle.labels(points).reshape(p.size, p.size).astype(np.int32)
        cells = triple.plane.nearest_cells(p.size, p.eta)
        return ScannedPlane(
            index=triple.index,
            pixel_range=pixel_range,
            labels=labels,
            cells=cells,
            samples=triple.samples,
            true_labels=triple.true_labels,
            predicted_labels=triple.predicted_labels,
            renyi_entropy=renyi_entropy(labels, p.alpha),
            ats=areas_of_triple_samples(
                labels, cells, triple.true_labels, triple.predicted_labels, p.cap
            ),
        )


@dataclass(frozen=True, eq=False)
class _Triple:
    """Three samples with their plane, as `ScannedPlane` describes them."""

    index: int
    plane: Plane
    samples: FloatArray
    true_labels: Triple
    predicted_labels: Triple


def _findings(
    scanned: Sequence[ScannedPlane],
    horizons: Sequence[HorizonLabels],
    ranges: Sequence[PixelRange],
    classes: int,
) -> Findings:
    entropies = _by_range(scanned, ranges, lambda plane: plane.renyi_entropy)
    areas = _by_range(scanned, ranges, lambda plane: plane.ats)
    shares = {r: _mean_shares(scanned, r, classes) for r in ranges}
    ranked = {r: [*sorted(shares[r].tolist(), reverse=True), 0.0] for r in ranges}
    agreeing = {_HORIZON: agreeing_shares(horizons, classes)} if horizons else {}
    statistics = {
        "renyi_entropy": {r: float(np.mean(entropies[r])) for r in ranges},
        "ats": {r: float(np.mean(areas[r])) for r in ranges},
        "largest_share": {r: ranked[r][0] for r in ranges},
        "runner_up_share": {r: ranked[r][1] for r in ranges},
        "horizon_agreement": {r: float(agreeing[r].sum()) for r in agreeing},
        "label_shares": {r: shares[r].tolist() for r in ranges},
        "horizon_shares": {r: agreeing[r].tolist() for r in agreeing},
        "per_plane": {"renyi_entropy": entropies, "ats": areas},
    }
    leading = [*_leading(shares.values()), *_shared(agreeing.values())]
    return Findings(statistics, _ranked(leading), tuple(scanned))


def _by_range(
    scanned: Sequence[ScannedPlane],
    ranges: Sequence[PixelRange],
    score: Callable[[ScannedPlane], float],
) -> dict[PixelRange, list[float]]:
    return {r: [score(plane) for plane in scanned if plane.pixel_range == r] for r in ranges}


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


def _require(name: str, value: Any, low: float, high: float, *, whole: bool = False) -> None:
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        bounds = "above 0 and at most 1" if name == "cap" else f"from {low:g} to {high:g}"
        kind = "a whole number" if whole else "a number"
        raise InputError(f"model_xray: {name} is {value!r}; set it to {kind} {bounds}")
