"""Which of several policies is for a registered model: names, tags, flavours, and precedence.

Flavours stand in a model's own files, so that nobody knows them before these were fetched. A policy
that asks for them is a candidate until then.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xray_gate.core.errors import PolicyError
from xray_gate.policy.document import Match
from xray_gate.policy.globs import matches_glob

if TYPE_CHECKING:
    from xray_gate.policy.files import Policy


@dataclass(frozen=True)
class Subject:
    """What a policy is looked for, by what is known of it; None stands for what is not known.

    `tags` are those of the registered model, `flavours` those that the version's MLmodel names.
    """

    name: str
    tags: Mapping[str, str] | None = None
    flavours: Collection[str] | None = None


class Undetermined(PolicyError):
    """Which policy is for a model hangs on flavours or tags that are not known."""


def fits(match: Match | None, subject: Subject) -> bool | None:
    """Whether all that `match` asks for holds; None where what is not known decides it."""
    if match is None:
        return False
    if not any(matches_glob(subject.name, glob) for glob in match.registered_models):
        return False
    parts = (_tags(match.tags, subject.tags), _flavours(match.flavours, subject.flavours))
    if False in parts:
        return False
    return None if None in parts else True


def _tags(wanted: Mapping[str, str], known: Mapping[str, str] | None) -> bool | None:
    if not wanted:
        return True
    if known is None:
        return None
    return all(key in known and matches_glob(known[key], glob) for key, glob in wanted.items())


def _flavours(wanted: Sequence[str] | None, known: Collection[str] | None) -> bool | None:
    if wanted is None:
        return True
    if known is None:
        return None
    return any(matches_glob(flavour, glob) for flavour in known for glob in wanted)


def candidates(policies: Sequence["Policy"], subject: Subject) -> "list[Policy]":
    """The policies that may be the one, by what is known: those that no certain one outranks."""
    found = {
        policy.name: (policy, fit)
        for policy in policies
        if (fit := fits(policy.document.match, subject)) is not False
    }
    certain = [policy.document.precedence for policy, fit in found.values() if fit]
    least = max(certain, default=None)
    return sorted(
        (p for p, _ in found.values() if least is None or p.document.precedence >= least),
        key=lambda policy: (-policy.document.precedence, policy.name),
    )


def match(policies: Sequence["Policy"], subject: Subject) -> "Policy | None":
    """The one policy for `subject`, or None where there is none.

    Raises `Undetermined` where it hangs on what is not known, and `PolicyError` where two match
    with the same precedence.
    """
    found = candidates(policies, subject)
    unsure = [p for p in found if fits(p.document.match, subject) is None]
    if unsure:
        names, what = _names(unsure), _what(unsure, subject)
        raise Undetermined(
            f"{subject.name}: whether the policy {names} is for it hangs on its {what}, which no "
            "scan has read yet; have it scanned (`xray-gate rescan`)"
        )
    if len(found) > 1:
        height = found[0].document.precedence
        raise PolicyError(
            f"{subject.name}: the policies {_names(found)} match with the same precedence "
            f"({height}); give one of them a higher `precedence`, or make their "
            "match.registered_models patterns disjoint"
        )
    return found[0] if found else None


def _names(policies: "Sequence[Policy]") -> str:
    return " and ".join(policy.name for policy in policies)


def _what(policies: "Sequence[Policy]", subject: Subject) -> str:
    asks_tags = any(p.document.match and p.document.match.tags for p in policies)
    return "tags" if asks_tags and subject.tags is None else "flavours"
