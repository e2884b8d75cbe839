"""Whether a change of one setting weakens the gate: one rule for each setting that has a side."""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from xray_gate.core.isolation import ISOLATIONS
from xray_gate.core.model_format import FORMATS
from xray_gate.policy.detector_specs import FAMILIES
from xray_gate.policy.globs import covers


class Effect(StrEnum):
    """What a change does to what the gate lets through."""

    WEAKER = "weaker"
    STRICTER = "stricter"
    OTHER = "other"


_Rule = Callable[[Any, Any], Effect]


def effect_of(path: str, before: Any, after: Any) -> Effect:
    """What the change of the setting at `path` does; `other` where neither can be said.

    None stands for a setting that is not there.
    """
    for pattern, rule in _RULES:
        if re.fullmatch(pattern, path):
            return rule(before, after)
    return Effect.OTHER


def _by(strictness: Callable[[Any], float | None]) -> _Rule:
    """More strictness is stricter; where it cannot be told, the change is another one."""

    def rule(before: Any, after: Any) -> Effect:
        old, new = strictness(before), strictness(after)
        if old is None or new is None or old == new:
            return Effect.OTHER
        return Effect.STRICTER if new > old else Effect.WEAKER

    return rule


def _ranks(*from_weak_to_strict: Sequence[Any]) -> _Rule:
    """Values by group; those of one group are as strict as each other."""

    def strictness(value: Any) -> float | None:
        found = [i for i, group in enumerate(from_weak_to_strict) if value in group]
        return found[0] if found else None

    return _by(strictness)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _negative(value: Any) -> float | None:
    number = _number(value)
    return None if number is None else -number


def _longest(value: Any) -> float:
    """Of an age in days: None is for ever."""
    return float("-inf") if value is None else -float(value)


def _allowed(value: Any) -> float:
    """Of what a policy allows for so long: None is not at all."""
    return 0.0 if value is None else -float(value)


def _bound(before: Any, after: Any) -> Effect:
    """A bound and its side: one more is stricter, one less weaker."""
    if before is None or after is None:
        return Effect.STRICTER if before is None else Effect.WEAKER
    if before[0] != after[0] or before[1] == after[1]:
        return Effect.OTHER
    more_is_suspicious = (after[1] > before[1]) == (before[0] == "below")
    return Effect.STRICTER if more_is_suspicious else Effect.WEAKER


def _set(everything: Sequence[Any] | None, *, larger: Effect, smaller: Effect) -> _Rule:
    """A list as a set; `everything` is what None stands for."""

    def rule(before: Any, after: Any) -> Effect:
        old = set(everything or () if before is None else before)
        new = set(everything or () if after is None else after)
        if old < new:
            return larger
        return smaller if new < old else Effect.OTHER

    return rule


def _names(before: Any, after: Any) -> Effect:
    """A name that a policy gets had none, and nothing was admitted, or another one.

    One that it loses may have been claimed twice, so that this is not stricter for certain.
    """
    return Effect.OTHER if _all_in(after or (), before or ()) else Effect.WEAKER


def _flavours(before: Any, after: Any) -> Effect:
    """As names; None is for every version, also for one that names no flavours."""
    if before is None or after is None:
        return Effect.OTHER if before is None else Effect.WEAKER
    return _names(before, after)


def _tag(before: Any, after: Any) -> Effect:
    """As names; None is for every registered model, also for one without the tag."""
    if before is None or after is None:
        return Effect.OTHER if before is None else Effect.WEAKER
    return _names((before,), (after,))


def _all_in(narrow: Sequence[str], wide: Sequence[str]) -> bool:
    """Whether each glob is covered by another one; False where that takes too long to tell."""
    return all(any(covers(one, other) for one in wide) for other in narrow)


def _globs(*, larger: Effect, smaller: Effect) -> _Rule:
    """A list of globs as the names that match them."""

    def rule(before: Any, after: Any) -> Effect:
        grows, shrinks = not _all_in(after, before), not _all_in(before, after)
        if grows == shrinks:
            return Effect.OTHER
        return larger if grows else smaller

    return rule


def _present(before: Any, after: Any) -> Effect:
    """`only_near` spares a detector its work, and what it would have found."""
    if before is None or after is None:
        return Effect.WEAKER if before is None else Effect.STRICTER
    return Effect.OTHER


def _absent(before: Any, after: Any) -> Effect:
    """What held something fast and is gone."""
    if before is None or after is None:
        return Effect.STRICTER if before is None else Effect.WEAKER
    return Effect.OTHER


def _copies(before: Any, after: Any) -> Effect:
    """All copies, none, or those into the names that a glob matches."""
    if isinstance(before, bool) and isinstance(after, bool):
        return _more(before, after)
    if isinstance(before, bool) or isinstance(after, bool):
        return Effect.WEAKER if before is True or after is False else Effect.STRICTER
    return _globs(**_SUPERSET_IS_STRICTER)(before, after)


_more, _less = _by(_number), _by(_negative)
_SUPERSET_IS_STRICTER = {"larger": Effect.STRICTER, "smaller": Effect.WEAKER}
_SUPERSET_IS_WEAKER = {"larger": Effect.WEAKER, "smaller": Effect.STRICTER}

_RULES: tuple[tuple[str, _Rule], ...] = (
    (r"(.*\.)?unsafe_\w+", _less),
    (r"match(\.registered_models)?", _names),
    (r"match\.tags\..*", _tag),
    (r"match\.flavours", _flavours),
    (r"enforcement(\.\w+)?", _ranks(("off",), ("audit", "warn"), ("enforce",))),
    (r"detectors\..*\.mode", _ranks(("off", None), ("optional",), ("required",))),
    (r"detectors\..*\.only_near", _present),
    (r"detectors\..*\.only_near\.detectors", _present),
    (r"detectors\..*\.only_near\.(factor|margin)", _more),
    (r"detectors\.(model_xray|others\.\w+)\.thresholds\..*\.source", lambda *_: Effect.OTHER),
    (r"detectors\.model_xray\.thresholds\.level", _more),
    (r"detectors\.model_xray\.thresholds\.(\w+\.(unclipped|valid))", _bound),
    (r"detectors\.others\.\w+\.thresholds\..*", _bound),
    (r"detectors\.trigger_sweep\.(level|queries|against_champion)", _more),
    (r"detectors\.trigger_sweep\.families", _set(FAMILIES, **_SUPERSET_IS_STRICTER)),
    (r"detectors\.(b3d|dtinspector)\.index", _less),
    (r"detectors\.b3d\.(share_of_median|at_most_of_median)", _more),
    (r"detectors\.b3d\.least_success", _less),
    (r"detectors\.dtinspector\.(clean_above|least_fitted|least_labels)", _more),
    (r"decision\.rule", _ranks(("all", "weighted"), ("any",))),
    (r"decision\.threshold", _less),
    (r"min_probe_accuracy", _more),
    (r"max_age_days", _by(_longest)),
    (r"exceptions\.most_days|break_glass\.minutes", _by(_allowed)),
    # Whatever changes about one, somebody has to look at what it admits.
    (r"exception .*", lambda _, after: Effect.STRICTER if after is None else Effect.WEAKER),
    (r"same_bytes", _ranks(("verify",), ("snapshot",))),
    (r"isolation\.(pickled|other)", _ranks(*((one,) for one in ISOLATIONS))),
    (r"promotion\.free_aliases", _globs(**_SUPERSET_IS_WEAKER)),
    (r"promotion\.stages", _set(None, **_SUPERSET_IS_STRICTER)),
    (r"promotion\.copies", _copies),
    (r"formats", _set(FORMATS, **_SUPERSET_IS_WEAKER)),
    (r"probes\.digest", _absent),
    (r"limits\.(files|files_mb)", _less),
    # The registrant chooses them: weaker than a path, of which this cannot be said.
    (r"training_data\.from", _present),
)
