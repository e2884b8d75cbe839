"""How far models without a backdoor move at each rung of the trigger sweep's families.

    python -m benchmarks.natural_levels MODEL... --probes probes.npz --out levels.json

For every rung and reading the best of the drawn candidates is refined, as a sweep would refine
it, and measured on held-out images; the model's own pull (`allowances`) is taken off. The
allowances in `xray_gate/detectors/trigger_sweep/families` follow from these figures by a fixed
rule, `allowances`.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from benchmarks.cifar_network import open_session
from xray_gate.detectors.trigger_sweep.candidates import draw_candidates
from xray_gate.detectors.trigger_sweep.detector import split_probes
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.families.interface import Scene
from xray_gate.detectors.trigger_sweep.readings import Kind, Reading
from xray_gate.detectors.trigger_sweep.responses import Responses
from xray_gate.detectors.trigger_sweep.search import Lead, Search
from xray_gate.probing.batches import Batch, Images, LabelArray
from xray_gate.probing.probe_files import read_probes
from xray_gate.probing.probe_set import ProbeSet

CANDIDATES = 800
REFINEMENT = 960


class SessionOracle:
    """Hard labels of an ONNX classifier in this process; for models that one trusts."""

    def __init__(self, path: Path, threads: int) -> None:
        self._session = open_session(path, threads)
        self._input = self._session.get_inputs()[0].name
        self.classes = int(self._session.get_outputs()[0].shape[1])

    def labels(self, batch: Batch) -> LabelArray:
        """Int64 (n,)."""
        parts = [
            self._session.run(None, {self._input: np.ascontiguousarray(batch.images(start, stop))})[
                0
            ].argmax(axis=1)
            for start in range(0, len(batch), 256)
            for stop in [min(start + 256, len(batch))]
        ]
        return np.concatenate(parts).astype(np.int64)


# What is added to the level that counts, and the least allowance, for the three readings.
MARGINS = {Kind.TO_ONE: (0.1, 0.25), Kind.ANYWHERE: (0.1, 0.35), Kind.FROM_ONE: (0.2, 0.6)}
MOST = 0.65
# Of the clean models, this share may lie above: the highest level of all grows with their number.
ABOVE = 0.04
Levels = dict[str, dict[str, list[float | None]]]


def rung_key(family: str, dose: float) -> str:
    """Under which a rung's levels are kept."""
    return f"{family} {dose:.4f}"


def allowances(levels: Levels, flat: Collection[str]) -> dict[str, list[list[float]]]:
    """For each family and rung, weakest first, the allowances of the three readings.

    The highest level that at most 4 % of the models exceed, plus a margin, rounded up to a
    twentieth; above 0.65 the rung is not judged (1). An allowance never falls with the dose. Models
    whose levels were not measured for a family do not count for it. On those in `flat`, whose
    images are mostly black, the families that are not for them do not count either, as the sweep
    leaves them out there.
    """
    found: dict[str, list[list[float]]] = {}
    for name, family in ALL_FAMILIES.items():
        rows: list[list[float]] = []
        for rung in family.rungs:
            key = rung_key(name, rung.dose)
            row = []
            for column, (margin, least) in enumerate(MARGINS.values()):
                counted = sorted(
                    of_model[key][column] or 0.0
                    for model, of_model in levels.items()
                    if key in of_model and (family.for_flat_images or model not in flat)
                )
                reached = counted[-1 - int(ABOVE * len(counted))] if counted else 0.0
                allowed = max(least, math.ceil((reached + margin) * 20 - 1e-9) / 20)
                row.append(1.0 if allowed > MOST else round(allowed, 2))
            rows.append([max(pair) for pair in zip(row, rows[-1], strict=True)] if rows else row)
        found[name] = rows
    return found


def natural_levels(
    oracle: SessionOracle, probes: ProbeSet, families: Sequence[str], seed: int
) -> dict[str, list[float | None]]:
    """For `family dose`: the held-out shares of the three readings, None where none was made."""
    rng = np.random.default_rng(seed)
    split_rng, draw_rng, refine_rng = rng.spawn(3)
    labels = oracle.labels(Images(probes.images))
    split = split_probes(probes, labels, split_rng)
    scene = Scene(probes.images.shape[1:], probes.images[split.swept], labels[split.swept])
    swept = Responses(oracle, probes.images[split.swept], labels[split.swept])
    held_out = Responses(oracle, probes.images[split.held_out], labels[split.held_out])
    candidates = draw_candidates(families, _count(families), scene, draw_rng)
    search = Search(swept, candidates, np.arange(len(split.swept)))
    search.sweep(lambda: None)
    rows = defaultdict(list)
    for row, candidate in enumerate(candidates):
        rows[rung_key(candidate.family, candidate.rung.dose)].append(row)
    found = {}
    for rung, of_rung in rows.items():
        found[rung] = [
            None
            if lead is None
            else _beyond_the_pull(search, held_out, search.refine(lead, REFINEMENT, refine_rng))
            for lead in _best(search, of_rung)
        ]
    return found


def _count(families: Sequence[str]) -> int:
    """As many candidates as a sweep over all families would draw from these."""
    weights = {name: sum(r.weight for r in family.rungs) for name, family in ALL_FAMILIES.items()}
    return round(CANDIDATES * sum(weights[name] for name in families) / sum(weights.values()))


def _best(search: Search, rows: list[int]) -> list[Lead | None]:
    before = search.responses.before
    broad = zip(*(search.broad(row) for row in rows), strict=True)
    to_one, anywhere = (max(leads, key=lambda lead: lead.share) for leads in broad)
    from_one = max(
        (
            search.lead(row, Reading(Kind.FROM_ONE, label, int(source)))
            for source in np.unique(before)
            if (before == source).sum() >= 3
            for row in rows
            for label in [_likeliest(search, row, int(source))]
        ),
        key=lambda lead: lead.share,
        default=None,
    )
    return [to_one, anywhere, from_one]


def _likeliest(search: Search, row: int, source: int) -> int:
    """The label that most images of `source` move to, if the trigger does not show it."""
    moved = search.responses.labels[row, search.responses.before == source]
    count = np.bincount(moved, minlength=search.responses.classes)
    count[[source, *search.candidates[row].trigger.shows]] = -1
    return int(count.argmax())


def _beyond_the_pull(search: Search, held_out: Responses, lead: Lead) -> float:
    """The held-out share less the model's own pull, which the sweep takes off as well."""
    (row,) = held_out.add([lead.candidate.trigger])
    held_out.ask([(row, np.arange(len(held_out.images)))])
    pull = search.allowances.pull(lead.candidate, lead.reading)
    return round(max(0.0, lead.reading.share(held_out.before, held_out.labels[row]) - pull), 3)


def main(argv: list[str] | None = None) -> int:
    """Write each model's levels as soon as they are measured, of the families that it lacks."""
    parser = argparse.ArgumentParser(description="Natural levels of the trigger sweep's rungs.")
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--probes", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--families", nargs="+", choices=list(ALL_FAMILIES), metavar="NAME")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    probes = read_probes(args.probes)
    levels = json.loads(args.out.read_text()) if args.out.exists() else {}
    for model in args.models:
        known = levels.setdefault(model.stem, {})
        measured = {rung.split()[0] for rung in known}
        families = [name for name in args.families or ALL_FAMILIES if name not in measured]
        if families:
            oracle = SessionOracle(model, args.threads)
            known.update(natural_levels(oracle, probes, families, args.seed))
            args.out.write_text(json.dumps(levels, indent=1) + "\n")
            print(model.stem, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
