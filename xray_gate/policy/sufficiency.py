"""Whether reference models are enough for what a policy asks of them, family by family."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from xray_gate.policy.calibration import Reference, families, family_text
from xray_gate.policy.conformal import references_needed
from xray_gate.policy.xray_thresholds import CalibratedBounds


@dataclass(frozen=True)
class Demand:
    """A level is shared out over `statistics`, and by `sides` 2 where one is judged on both."""

    statistics: int = 1
    sides: int = 1

    @classmethod
    def of(cls, rule: CalibratedBounds | None) -> "Demand":
        """What the policy's thresholds ask; that of one score where it has none from references."""
        if rule is None:
            return cls()
        sides = {rule.side(statistic) for statistic in rule.statistics}
        return cls(len(rule.statistics), 2 if "both" in sides else 1)

    def references(self, level: float) -> int:
        """The fewest clean references of a family that reach `level`, in (0, 1)."""
        return references_needed(level / (self.statistics * self.sides))

    def lowest_level(self, references: int) -> float | None:
        """The lowest level that so many reach, rounded up at the fourth place; None for none."""
        level = math.ceil(1e4 * self.statistics * self.sides / (references + 1) - 1e-6) / 1e4
        return level if level < 1 else None

    def __str__(self) -> str:
        score = "score" if self.statistics == 1 else "scores"
        return f"{self.statistics} {score}{', on both sides' if self.sides == 2 else ''}"


class _OfAGroup(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def architecture(self) -> str | None: ...

    @property
    def group(self) -> str | None: ...


Model = TypeVar("Model", bound=_OfAGroup)


def pools(rule: CalibratedBounds | None, models: Sequence[Model]) -> list[list[Model]]:
    """The references that a model is held against together: those of one family."""
    if rule is not None and rule.unsafe_any_architecture:
        return [list(models)]
    return list(families(models).values())


def shortfalls(
    rule: CalibratedBounds | None, models: Sequence[_OfAGroup], level: float | None
) -> list[str]:
    """What is missing for `level` (or for Eq. 6, where the rule goes by F1), for each family."""
    found: list[str] = []
    for pool in pools(rule, models):
        clean = sum(model.group is None for model in pool)
        if _is_unknown(rule, pool):
            found.append(
                f"{family_text(pool)} does not show its architecture, so that no scan can be held "
                "against it; export the models to ONNX, or leave them out"
            )
        elif rule is not None and rule.method == "f1":
            lacking = "clean" if not clean else "backdoored" if clean == len(pool) else None
            if lacking:
                found.append(
                    f"{family_text(pool)} has no {lacking} references, and method f1 takes both; "
                    f"add {lacking} models of this family"
                )
        elif level is not None and clean < (needed := Demand.of(rule).references(level)):
            found.append(
                f"{family_text(pool)} has {clean} clean references, and level {level:g} for "
                f"{Demand.of(rule)} takes {needed}; calibrate on more clean models of this family"
            )
    return found


def reach(rule: CalibratedBounds | None, models: Sequence[_OfAGroup]) -> list[str]:
    """One line for each family: how many references it has, and what they can be used for."""
    return [f"{family_text(pool)}: {_reached(rule, pool)}" for pool in pools(rule, models)]


def _reached(rule: CalibratedBounds | None, pool: Sequence[_OfAGroup]) -> str:
    clean = sum(model.group is None for model in pool)
    groups = [model.group for model in pool if model.group is not None]
    counted = [
        f"{clean} clean",
        *(f"{groups.count(name)} {name}" for name in dict.fromkeys(groups)),
    ]
    text = ", ".join(counted)
    if _is_unknown(rule, pool):
        return f"{text}; they show no architecture, so that no scan is held against them"
    if rule is not None and rule.method == "f1":
        return f"{text}; judged by method f1, which promises no level"
    demand = Demand.of(rule)
    lowest = demand.lowest_level(clean)
    level = "no level" if lowest is None else f"level {lowest:g} and above"
    return f"{text}; the clean ones reach {level} for {demand}"


def same_scores(references: Sequence[Reference]) -> list[str]:
    """Clean references that agree in every score, in words: a network twice is no second draw."""
    found: dict[Hashable, list[str]] = {}
    for reference in references:
        if reference.group is None:
            scores = (reference.architecture, *sorted(reference.scores.items()))
            found.setdefault(scores, []).append(reference.name)
    return [
        f"{', '.join(names)} have the same scores in everything; if they are one network that was "
        "saved more than once, keep one of them, or the level is not what it says"
        for names in found.values()
        if len(names) > 1
    ]


def _is_unknown(rule: CalibratedBounds | None, pool: Sequence[_OfAGroup]) -> bool:
    anything = rule is not None and rule.unsafe_any_architecture
    return pool[0].architecture is None and not anything
