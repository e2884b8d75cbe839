"""Keep what models say on planes, so that statistics can be tried without asking them again.

    python -m benchmarks.lab.planes.archive FOLDER --out ARCHIVE [--only FILE ...]

FOLDER holds models, ``manifest.json`` and ``probes_DATASET.npz`` as ``benchmarks.lab`` writes them.
For each model ``ARCHIVE/MODEL.npz``, with ``VIEW`` uint16 ``[planes, size, size]``, the labels, and
``VIEW.true`` int64 ``[planes, 3]``, ``VIEW.predicted`` and ``VIEW.cells`` ``[planes, 3, 2]``, as
``ScannedPlane`` describes them; of a horizon the labels alone, uint16 ``[planes, directions]``. The
planes of two models of one data set are the same.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from benchmarks.natural_levels import SessionOracle
from benchmarks.whole_files import write_npz
from xray_gate.probing.batches import FloatArray, Images, IndexArray
from xray_gate.probing.horizon import horizon_points
from xray_gate.probing.planes import NoPlane, Plane, draw_planes, plane_through
from xray_gate.probing.probe_files import read_probes
from xray_gate.probing.probe_set import ProbeSet

Through = Literal["classes", "class", "noise", "smooth"]
Drawn = tuple[IndexArray, Plane]
Labels = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class View:
    """Where planes lie and how far they reach; with an infinite ``eta`` only their horizon counts.

    ``through``: samples of three ``classes`` (as published) or of one ``class``; or one sample and
    two random directions, ``noise`` or ``smooth``, whose unit of length moves pixels by 0.2 (root
    mean square). ``clip``: the valid range. ``eta``: as in ``Plane.axes``.
    """

    through: Through
    clip: bool
    eta: float


VIEWS = {
    "unclipped": View("classes", clip=False, eta=5),
    "valid": View("classes", clip=True, eta=5),
    "unclipped-1": View("classes", clip=False, eta=1),
    "valid-1": View("classes", clip=True, eta=1),
    "valid-20": View("classes", clip=True, eta=20),
    "class-unclipped": View("class", clip=False, eta=5),
    "class-valid": View("class", clip=True, eta=5),
    "noise": View("noise", clip=True, eta=2),
    "smooth": View("smooth", clip=True, eta=2),
    "valid-8": View("classes", clip=True, eta=8),
    "valid-50": View("classes", clip=True, eta=50),
    "valid-200": View("classes", clip=True, eta=200),
    "unclipped-20": View("classes", clip=False, eta=20),
    "class-valid-50": View("class", clip=True, eta=50),
    "noise-50": View("noise", clip=True, eta=50),
    "smooth-50": View("smooth", clip=True, eta=50),
    "horizon": View("classes", clip=True, eta=math.inf),
    "horizon-class": View("class", clip=True, eta=math.inf),
    "horizon-noise": View("noise", clip=True, eta=math.inf),
    "horizon-smooth": View("smooth", clip=True, eta=math.inf),
}
DIRECTIONS = 32
_LENGTH = 0.2
_SMOOTHED = 4.0


def _through_one_class(probes: ProbeSet, rng: np.random.Generator) -> Iterator[Drawn]:
    members = [np.flatnonzero(probes.labels == label) for label in np.unique(probes.labels)]
    members = [rows for rows in members if len(rows) >= 3]
    while True:
        rows = rng.choice(members[rng.integers(len(members))], size=3, replace=False)
        try:
            yield rows, plane_through(probes.images[rows])
        except NoPlane:
            continue


def _direction(shape: tuple[int, ...], smooth: bool, rng: np.random.Generator) -> FloatArray:
    noise = rng.standard_normal(shape).astype(np.float32)
    return ndimage.gaussian_filter(noise, (0, _SMOOTHED, _SMOOTHED)) if smooth else noise


def _through_one_sample(
    probes: ProbeSet, smooth: bool, rng: np.random.Generator
) -> Iterator[Drawn]:
    shape = probes.images.shape[1:]
    length = _LENGTH * float(np.sqrt(np.prod(shape)))
    while True:
        row = int(rng.integers(len(probes.images)))
        origin = probes.images[row]
        ends = [_direction(shape, smooth, rng) for _ in range(2)]
        corners = [origin + end * np.float32(length / np.linalg.norm(end)) for end in ends]
        yield np.array([row] * 3), plane_through(np.stack([origin, *corners]))


def _planes(view: View, probes: ProbeSet, count: int, rng: np.random.Generator) -> list[Drawn]:
    if view.through == "classes":
        return draw_planes(probes, count, rng)
    if view.through == "class":
        drawn = _through_one_class(probes, rng)
    else:
        drawn = _through_one_sample(probes, view.through == "smooth", rng)
    return [next(drawn) for _ in range(count)]


def _of_grids(
    oracle: SessionOracle, drawn: Sequence[Drawn], view: View, size: int
) -> tuple[Labels, IndexArray]:
    grids = [oracle.labels(plane.points(size, view.eta, view.clip)) for _, plane in drawn]
    cells = [plane.nearest_cells(size, view.eta) for _, plane in drawn]
    return np.stack(grids).reshape(-1, size, size).astype(np.uint16), np.stack(cells)


def archive(
    oracle: SessionOracle,
    probes: ProbeSet,
    views: Iterable[str],
    planes: int,
    size: int,
    seed: int,
) -> dict[str, npt.NDArray[np.integer]]:
    """The arrays of one model's file."""
    arrays: dict[str, npt.NDArray[np.integer]] = {}
    at_probes = oracle.labels(Images(probes.images))
    for name in views:
        view = VIEWS[name]
        # The same generator for each view: those of one kind share their planes.
        drawn = _planes(view, probes, planes, np.random.default_rng(seed))
        if math.isinf(view.eta):
            ends = [oracle.labels(horizon_points(plane, DIRECTIONS)) for _, plane in drawn]
            arrays[name] = np.stack(ends).astype(np.uint16)
            continue
        arrays[name], arrays[f"{name}.cells"] = _of_grids(oracle, drawn, view, size)
        rows = np.stack([rows for rows, _ in drawn])
        arrays[f"{name}.true"] = probes.labels[rows]
        arrays[f"{name}.predicted"] = at_probes[rows]
    return arrays


def main(argv: list[str] | None = None) -> int:
    """Scan what is not in the archive yet."""
    parser = argparse.ArgumentParser(description="Labels of planes of many models.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", metavar="FILE")
    parser.add_argument("--views", nargs="+", choices=list(VIEWS), default=list(VIEWS))
    parser.add_argument("--planes", type=int, default=20)
    parser.add_argument("--size", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    for entry in json.loads((args.folder / "manifest.json").read_text(encoding="utf-8")):
        out = args.out / f"{Path(entry['file']).stem}.npz"
        if out.exists() or (args.only and entry["file"] not in args.only):
            continue
        probes = read_probes(args.folder / f"probes_{entry['dataset']}.npz")
        oracle = SessionOracle(args.folder / entry["file"], args.threads)
        write_npz(out, **archive(oracle, probes, args.views, args.planes, args.size, args.seed))
        print(out.stem, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
