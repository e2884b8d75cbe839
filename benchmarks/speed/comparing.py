"""Lets the ways scan in turns, and sets what they found beside the dense scan."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np

from benchmarks.speed.plan import Outcome, Plan, PlaneKey, ScoredPlane
from benchmarks.speed.product import Case
from benchmarks.speed.ways import BARE, REFERENCE, Way

Row = dict[str, Any]
Round = dict[str, Outcome]
# A large network takes minutes for a plane of this size: it is warm after a few of its batches.
_WARMING_SIZE = 20
_WARMING_SHARE = 4


def compare(case: Case, ways: Mapping[str, Way], rounds: int) -> list[Row]:
    """One row for each way, after ``rounds`` rounds in each of which all have their turn."""
    plan = case.plan()
    with ExitStack() as stack:
        running = {name: stack.enter_context(way(case)) for name, way in ways.items()}
        for run in running.values():
            run(plan.part(1, max(2, min(_WARMING_SIZE, plan.size // _WARMING_SHARE))))
        taken: list[Round] = []
        for number in range(rounds):
            # Nobody always comes after the same other.
            order = [*running][number % len(running) :] + [*running][: number % len(running)]
            taken.append({name: running[name](plan) for name in order})
    return [_row(case, plan, name, taken) for name in ways]


def _row(case: Case, plan: Plan, name: str, rounds: list[Round]) -> Row:
    outcomes = [outcomes[name] for outcomes in rounds]
    last, dense = outcomes[-1], rounds[-1][REFERENCE]
    shares = sorted(outcomes[name].rate / outcomes[BARE].rate for outcomes in rounds)
    return {
        "model": case.model.name,
        "way": name,
        "queries": last.queries,
        "published_queries": len(plan.samples) * plan.size**2,
        "seconds": statistics.median(outcome.seconds for outcome in outcomes),
        "rate": statistics.median(outcome.rate for outcome in outcomes),
        "share": {
            "median": statistics.median(shares),
            "least": shares[0],
            "greatest": shares[-1],
        },
        "batch": last.batch,
        "peak_bytes": last.peak_bytes,
        "verdict": last.verdict,
        "verdict_as_dense": None if last.verdict is None else last.verdict == dense.verdict,
        "planes": len({number for number, _ in last.planes}),
        **differences(last.planes, dense.planes),
        "rounds": [
            {"queries": outcome.queries, "seconds": outcome.seconds} for outcome in outcomes
        ],
    }


def differences(
    found: Mapping[PlaneKey, ScoredPlane], dense: Mapping[PlaneKey, ScoredPlane]
) -> Row:
    """How far one way's planes are from the dense ones, over the planes that both have.

    ``agreement`` is the share of points with the same label; the scores' differences are those of
    the means, of the range in which they are largest. All are None where nothing can be compared.
    """
    both = sorted(found.keys() & dense.keys())
    if not both:
        return {"agreement": None, "entropy_differs": None, "ats_differs": None}
    same = [found[key].labels == dense[key].labels for key in both]
    ranges = {name for _, name in both}
    entropies, areas = [], []
    for name in ranges:
        keys = [key for key in both if key[1] == name]
        entropies.append(np.mean([found[k].entropy - dense[k].entropy for k in keys]))
        areas.append(np.mean([found[k].ats - dense[k].ats for k in keys]))
    return {
        "agreement": float(np.mean(same)),
        "entropy_differs": float(np.max(np.abs(entropies))),
        "ats_differs": float(np.max(np.abs(areas))),
    }
