"""The candidates of one sweep, drawn from the families in the proportions of their rungs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.families.interface import Rung, Scene, Trigger, TriggerFamily

_ROUNDED_UP = 1.25


@dataclass(frozen=True, eq=False)
class Candidate:
    """A trigger, and the family and rung that it was drawn from."""

    family: str
    rung: Rung
    trigger: Trigger


def draw_candidates(
    families: Sequence[str], count: int, scene: Scene, rng: np.random.Generator
) -> list[Candidate]:
    """About `count` candidates, at least one for every rung that the images are large enough for.

    A dose that whole pixels make much stronger has an allowance that is not its own, so its rung is
    left out. Every rung has a stream of its own: with a larger `count` the same candidates come
    back, and more of them, and leaving out a family does not change the others.
    """
    streams = dict(zip(ALL_FAMILIES, rng.spawn(len(ALL_FAMILIES)), strict=True))
    judged = [
        (name, rung, stream)
        for name in families
        for rung, stream in _with_streams(ALL_FAMILIES[name], streams[name])
        if ALL_FAMILIES[name].real_dose(rung.dose, scene) <= _ROUNDED_UP * rung.dose
    ]
    total = sum(rung.weight for _, rung, _ in judged)
    return [
        Candidate(name, rung, ALL_FAMILIES[name].draw(rung.dose, scene, stream))
        for name, rung, stream in judged
        for _ in range(max(1, round(count * rung.weight / total)))
    ]


def _with_streams(
    family: TriggerFamily, rng: np.random.Generator
) -> Iterator[tuple[Rung, np.random.Generator]]:
    return zip(family.rungs, rng.spawn(len(family.rungs)), strict=True)
