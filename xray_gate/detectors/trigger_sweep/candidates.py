"""The candidates of one sweep, drawn from the families in the proportions of their rungs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.families.interface import Rung, Scene, Trigger


@dataclass(frozen=True, eq=False)
class Candidate:
    """A trigger, and the family and rung that it was drawn from."""

    family: str
    rung: Rung
    trigger: Trigger


def draw_candidates(
    families: Sequence[str], count: int, scene: Scene, rng: np.random.Generator
) -> list[Candidate]:
    """About `count` candidates, at least one for every rung.

    Every rung has a stream of its own: with a larger `count` the same candidates come back, and
    more of them, and leaving out a family does not change the others.
    """
    streams = dict(zip(ALL_FAMILIES, rng.spawn(len(ALL_FAMILIES)), strict=True))
    total = sum(rung.weight for name in families for rung in ALL_FAMILIES[name].rungs)
    drawn: list[Candidate] = []
    for name in families:
        family = ALL_FAMILIES[name]
        for rung, stream in zip(family.rungs, streams[name].spawn(len(family.rungs)), strict=True):
            drawn += (
                Candidate(name, rung, family.draw(rung.dose, scene, stream))
                for _ in range(max(1, round(count * rung.weight / total)))
            )
    return drawn
