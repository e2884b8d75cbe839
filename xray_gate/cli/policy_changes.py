"""The difference of two policies as people and programs read it."""

from collections.abc import Iterator, Sequence
from typing import Any

from xray_gate.cli.foreign import one_line
from xray_gate.policy.difference import PolicyDifference


def changes_as_text(found: Sequence[PolicyDifference]) -> str:
    """For a terminal, a policy after the other."""
    if not found:
        return "no difference"
    return "\n".join(one_line(line) for one in found for line in _lines(one))


def changes_as_json(found: Sequence[PolicyDifference]) -> dict[str, Any]:
    """For programs."""
    return {
        "weakens": any(one.weakens for one in found),
        "policies": [
            {
                "name": one.name,
                "before": one.before,
                "after": one.after,
                "heirs": list(one.heirs),
                "changes": [
                    {
                        "path": change.path,
                        "before": change.before,
                        "after": change.after,
                        "effect": change.effect,
                    }
                    for change in one.changes
                ],
            }
            for one in found
        ],
    }


def _lines(one: PolicyDifference) -> Iterator[str]:
    if one.before is None:
        yield (
            f"{one.name}: is new ({_short(one.after)}), which counts as weaker: its names had "
            "another policy, or none"
        )
    elif one.after is None and one.heirs:
        yield (
            f"{one.name}: is gone, which counts as weaker: names of it now have the policy "
            f"{' or '.join(one.heirs)}"
        )
    elif one.after is None:
        yield f"{one.name}: is gone; its names have another policy, or nothing admits them"
    else:
        yield f"{one.name} ({_short(one.before)} -> {_short(one.after)})"
    for change in one.changes:
        yield f"  {change.effect:<8}  {change}"


def _short(digest: str | None) -> str:
    return (digest or "")[:19]
