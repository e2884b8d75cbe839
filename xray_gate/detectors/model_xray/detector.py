"""Model X-ray: hard labels on planes through triples of clean samples (Su et al., MM '24).

The published scores, each in two pixel ranges over the same planes: `unclipped`, as published,
and `valid`, what a model behind an API would see. The two see different attacks. Beside them one of
this project's own, `horizon_agreement`, on the horizons of the same planes (probing/horizon.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from xray_gate.core.access import Access
from xray_gate.detectors.interface import Detector, Findings, Inconclusive, Progress, Subject
from xray_gate.detectors.model_xray.parameters import ModelXrayParameters
from xray_gate.detectors.model_xray.statistics import Drawn, findings
from xray_gate.probing.batches import FloatArray, JoinedPlanes
from xray_gate.probing.horizon import horizon_points
from xray_gate.probing.oracle import HardLabelOracle
from xray_gate.probing.plane_sampling import (
    PlaneView,
    SampledGrid,
    adaptive_grids,
    dense_grids,
)
from xray_gate.probing.planes import NoPlane, PixelRange, Plane, ScannedPlane, draw_planes
from xray_gate.probing.regions import (
    Triple,
    areas_of_triple_samples,
    as_triple,
    renyi_entropy,
)

_ALL_DRAWN = "all planes were drawn"


class ModelXray(Detector):
    """Lays planes through random triples of clean samples and scores the model's labels there.

    Statistics: `renyi_entropy` (bits) and `ats` ([0, 1]), the means over the planes, one for each
    pixel range; the same for `largest_share` and `runner_up_share`, of the mean label
    distribution in `label_shares`; and both scores of each plane under `per_plane`. For the valid
    range also `horizon_agreement` ([0, 1], high for backdoored models), the share of opposite
    points of the horizons that have one label, and what each label adds to it, `horizon_shares`.
    `planes_drawn`: how many in each range, with the reason in `stopped_because`; `sampled`: what
    share of the grid's points was asked, how many of the filled ones were checked and `wrong`, and
    which share of all filled ones is so at most (where all were asked, 0).

    Horizons cost little, so they are seen of all planes. The grids of further planes are asked as
    long as the subject's `stopping` says that they may change the verdict; a pixel range that it
    does not judge by ends with the least number of planes. Without `stopping` all are drawn.

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
        subject.refuse_one_label("its planes show nothing")
        try:
            drawn = draw_planes(subject.probes, self._parameters.planes, rng)
        except NoPlane as error:
            raise Inconclusive(str(error)) from error
        triples = [
            _Triple(
                index,
                plane,
                subject.probes.images[rows],
                as_triple(subject.probes.labels[rows]),
                as_triple(subject.probe_labels[rows]),
            )
            for index, (rows, plane) in enumerate(drawn)
        ]
        run = _Run(self._parameters, subject, rng, triples)
        run.see_horizons()
        while (reason := run.settled()) is None:
            run.draw_more()
            progress(run.done, len(triples))
        return findings(run.drawn, self._parameters, subject.oracle.classes, reason)


@dataclass(frozen=True, eq=False)
class _Triple:
    """Three samples with their plane, as `ScannedPlane` describes them."""

    index: int
    plane: Plane
    samples: FloatArray
    true_labels: Triple
    predicted_labels: Triple


@dataclass
class _Run:
    """One scan, plane by plane; `done` counts those that were drawn in any range."""

    parameters: ModelXrayParameters
    subject: Subject
    rng: np.random.Generator
    triples: Sequence[_Triple]
    drawn: Drawn = field(default_factory=Drawn)
    done: int = 0

    @property
    def _oracle(self) -> HardLabelOracle:
        return self.subject.oracle

    def see_horizons(self) -> None:
        """Ask about the horizons of all planes in one batch."""
        if not self.parameters.sees_horizons:
            return
        directions = self.parameters.directions
        points = [horizon_points(triple.plane, directions) for triple in self.triples]
        labels = self._oracle.labels(JoinedPlanes.join(points)).astype(np.int32)
        self.drawn.horizons = list(labels.reshape(len(self.triples), directions))

    def settled(self) -> str | None:
        """Why no further plane is needed, None where one is."""
        if self.done == len(self.triples):
            return _ALL_DRAWN
        stopping = self.subject.stopping
        if stopping is None or self.done == 0:
            return None
        return stopping.settled(self.drawn.scores(self._oracle.classes))

    def draw_more(self) -> None:
        """Draw the next planes, as many as there are between two looks.

        Also where nobody looks: refined side by side they fill batches, and the first planes of a
        scan are the same whether it stops early or not.
        """
        coming = self.triples[self.done : self.done + self.parameters.least_planes]
        pairs = [(triple, r) for triple in coming for r in self._ranges()]
        views = [PlaneView(triple.plane, clip=r == "valid") for triple, r in pairs]
        for (triple, pixel_range), grid in zip(pairs, self._grids(views), strict=True):
            self.drawn.planes.append(self._scanned(triple, pixel_range, grid))
            self.drawn.grids.append(grid)
        self.done += len(coming)

    def _ranges(self) -> Sequence[PixelRange]:
        """Those that are still drawn: all at first, then what the verdict may hang on."""
        ranges, stopping = self.parameters.pixel_ranges, self.subject.stopping
        if stopping is None or self.done == 0:
            return ranges
        return [r for r in ranges if stopping.judges(r)]

    def _grids(self, views: Sequence[PlaneView]) -> list[SampledGrid]:
        p = self.parameters
        if p.sampling == "dense":
            return dense_grids(self._oracle, views, p.size, p.eta)
        return adaptive_grids(self._oracle, views, p.size, p.eta, self.rng)

    def _scanned(self, triple: _Triple, pixel_range: PixelRange, grid: SampledGrid) -> ScannedPlane:
        p = self.parameters
        cells = triple.plane.nearest_cells(p.size, p.eta)
        areas = areas_of_triple_samples(
            grid.labels, cells, triple.true_labels, triple.predicted_labels, p.cap
        )
        return ScannedPlane(
            index=triple.index,
            pixel_range=pixel_range,
            labels=grid.labels,
            cells=cells,
            samples=triple.samples,
            true_labels=triple.true_labels,
            predicted_labels=triple.predicted_labels,
            renyi_entropy=renyi_entropy(grid.labels, p.alpha),
            ats=areas,
        )
