"""What differs between two policies, in what they mean and not in their lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from xray_gate.core.verdict import Place
from xray_gate.policy.effects import Effect, effect_of
from xray_gate.policy.files import Policy, PolicySet
from xray_gate.policy.globs import overlap
from xray_gate.policy.settings_tree import settings_of


@dataclass(frozen=True)
class Change:
    """One setting; None stands for one that is not there."""

    path: str
    before: Any
    after: Any
    effect: Effect

    def __str__(self) -> str:
        return f"{self.path}: {_told(self.before)} -> {_told(self.after)}"


@dataclass(frozen=True)
class PolicyDifference:
    """One policy by its name; a digest is None where there is no such policy.

    `heirs`: policies on both sides that are for some of the names that it was for. What it leaves
    to them they may admit.
    """

    name: str
    before: str | None
    after: str | None
    changes: tuple[Change, ...]
    heirs: tuple[str, ...] = ()

    @property
    def weakens(self) -> bool:
        """Whether a setting lets through more than before, or a policy is new, or left to heirs.

        What a new one is for had no policy, so that nothing was admitted, or another one: that a
        policy is renamed must not hide what else was changed.
        """
        if self.before is None or (self.after is None and self.heirs):
            return True
        return any(change.effect is Effect.WEAKER for change in self.changes)


def difference(before: PolicySet, after: PolicySet) -> list[PolicyDifference]:
    """The policies that are not the same on both sides, by name; the weaker settings come first."""
    old = {policy.name: policy for policy in before.policies}
    new = {policy.name: policy for policy in after.policies}
    # A new one counts as weaker itself.
    stay = [new[name] for name in sorted(old.keys() & new.keys())]
    found = [_of_one(name, old.get(name), new.get(name), stay) for name in sorted(old | new)]
    return [one for one in found if one.changes or one.before is None or one.after is None]


def _of_one(
    name: str, before: Policy | None, after: Policy | None, stay: Sequence[Policy]
) -> PolicyDifference:
    changes: list[Change] = []
    heirs = () if before is None else tuple(_heirs(before, stay))
    if before is not None and after is not None:
        found = (_weighed(change, bool(heirs)) for change in _changes(before, after))
        changes = sorted(found, key=lambda c: (_ORDER[c.effect], c.path))
    return PolicyDifference(
        name,
        None if before is None else before.digest,
        None if after is None else after.digest,
        tuple(changes),
        heirs,
    )


def _heirs(policy: Policy, stay: Sequence[Policy]) -> Iterator[str]:
    match = policy.document.match
    for other in stay:
        of_other = other.document.match
        if other.name == policy.name or match is None or of_other is None:
            continue
        pairs = product(match.registered_models, of_other.registered_models)
        if any(overlap(one, another) for one, another in pairs):
            yield other.name


def _weighed(change: Change, has_heirs: bool) -> Change:
    """Where names go to another policy, that one may be weaker: which is not looked into."""
    chooses = change.path == "precedence" or change.path.split(".")[0] == "match"
    return replace(change, effect=Effect.WEAKER) if chooses and has_heirs else change


_PLACES = tuple(f"enforcement.{place}" for place in Place)
_ORDER = {Effect.WEAKER: 0, Effect.STRICTER: 1, Effect.OTHER: 2}


def _changes(before: Policy, after: Policy) -> Iterator[Change]:
    old, new = settings_of(before.document), settings_of(after.document)
    switched = (_detectors(old) ^ _detectors(new)) - {None}
    for path in sorted(old.keys() | new.keys()):
        detector = _detector(path)
        if detector in switched and path != f"{detector}.mode":
            # That the detector comes or goes says it all.
            continue
        one, other = old.get(path), new.get(path)
        if one != other and path not in _PLACES:
            yield Change(path, one, other, effect_of(path, one, other))
    yield from _modes(old, new)
    granted, still_granted = _exceptions(before), _exceptions(after)
    for path in sorted(granted.keys() | still_granted.keys()):
        one, other = granted.get(path), still_granted.get(path)
        if one != other:
            yield Change(path, one, other, effect_of(path, one, other))
    if before.calibration != after.calibration:
        one, other = _title(before), _title(after)
        yield Change("calibration", one, other, Effect.OTHER)


def _modes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    """By place; as one setting where all of them change alike."""
    pairs = {path: (old[path], new[path]) for path in _PLACES}
    if len(set(pairs.values())) == 1:
        pairs = {"enforcement": pairs[_PLACES[0]]}
    for path, (one, other) in pairs.items():
        if one != other:
            yield Change(path, one, other, effect_of(path, one, other))


def _exceptions(policy: Policy) -> dict[str, str]:
    return {
        f"exception {one.name}": f"{one.model[:19]} in spite of {one.rule} until {one.expires}"
        for one in policy.exceptions
    }


def _title(policy: Policy) -> str | None:
    return None if policy.calibration is None else policy.calibration.title()


def _detectors(settings: dict[str, Any]) -> set[str | None]:
    """Those of which more is said than that they are off."""
    return {_detector(path) for path in settings if not path.endswith(".mode")}


def _detector(path: str) -> str | None:
    parts = path.split(".")
    if parts[0] != "detectors" or len(parts) < 3:
        return None
    return ".".join(parts[:3] if parts[1] == "others" else parts[:2])


def _told(value: Any) -> str:
    if value is None:
        return "(not set)"
    if isinstance(value, tuple):
        return ", ".join(_told(item) for item in value) or "(none)"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
