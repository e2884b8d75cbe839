"""What policies are to each other: which claim the same names, and which are never reached."""

from collections.abc import Iterator
from itertools import combinations

from xray_gate.policy.document import Match
from xray_gate.policy.files import Policy, PolicySet
from xray_gate.policy.globs import covers, overlap


def coverage_findings(policies: PolicySet) -> list[str]:
    """Conflicts, and policies that no name can have; each begins with a policy's name.

    A conflict is found wherever globs over names have a name in common, unless tags or flavours
    tell the two apart: a tag that cannot have both values, or globs without a common flavour (a
    model that has a flavour of each is refused when it is scanned). A policy counts as unreachable
    where each of its globs over names is covered by one glob of a policy of higher precedence that
    asks for no other tags and flavours; one that only several others cover together is not found.
    """
    known = sorted((p for p in policies.policies if p.document.match), key=lambda p: p.name)
    return [*_conflicts(known), *_unreachable(known)]


def _conflicts(policies: list[Policy]) -> Iterator[str]:
    for one, other in combinations(policies, 2):
        if one.document.precedence != other.document.precedence:
            continue
        for left, right in _common(_match(one), _match(other)):
            yield (
                f"{one.name}: its {left!r} and {right!r} of {other.name} are for some of the same "
                f"names, with the same precedence ({one.document.precedence}), and names that two "
                "policies claim are refused; give one of them a higher `precedence`"
            )
            break


def _common(one: Match, other: Match) -> Iterator[tuple[str, str]]:
    if _told_apart(one, other):
        return
    for left in one.registered_models:
        for right in other.registered_models:
            if overlap(left, right):
                yield left, right


def _told_apart(one: Match, other: Match) -> bool:
    shared = one.tags.keys() & other.tags.keys()
    if any(not overlap(one.tags[key], other.tags[key]) for key in shared):
        return True
    if one.flavours is None or other.flavours is None:
        return False
    return not any(overlap(a, b) for a in one.flavours for b in other.flavours)


def _unreachable(policies: list[Policy]) -> Iterator[str]:
    for policy in policies:
        above = [p for p in policies if p.document.precedence > policy.document.precedence]
        above = [p for p in above if _asks_no_more(_match(p), _match(policy))]
        by = [_covered_by(glob, above) for glob in _match(policy).registered_models]
        if all(by):
            names = ", ".join(sorted({name for name in by if name}))
            yield (
                f"{policy.name}: is never reached: all its names have {names}, of higher "
                "precedence; remove it, or raise its `precedence`"
            )


def _covered_by(glob: str, policies: list[Policy]) -> str | None:
    for policy in policies:
        if any(covers(wide, glob) for wide in _match(policy).registered_models):
            return policy.name
    return None


def _asks_no_more(one: Match, other: Match) -> bool:
    """Whether the tags and flavours that `other` asks for are such as `one` asks for."""
    if any(
        not covers(glob, other.tags.get(key, "*")) or key not in other.tags
        for key, glob in one.tags.items()
    ):
        return False
    if one.flavours is None:
        return True
    return other.flavours is not None and all(
        any(covers(wide, narrow) for wide in one.flavours) for narrow in other.flavours
    )


def _match(policy: Policy) -> Match:
    assert policy.document.match is not None
    return policy.document.match
