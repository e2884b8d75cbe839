"""What `xray-gate adopt` found, as people and programs read it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xray_gate.cli.foreign import one_line
from xray_gate.core.verdict import Enforcement, Place
from xray_gate.scan.inventory import Coverage, Inventoried
from xray_gate.scan.work import VersionState
from xray_gate.wiring.adopting import Adoption, Choice

_SHOWN = 50


def adoption_json(found: Adoption, written: Sequence[Path] | None) -> dict[str, Any]:
    """Every version, and the figures; `exceptions_written` is None where none were asked for."""
    return {
        "coverage": asdict(_coverage(found)),
        "queued": [str(key) for key in found.queued],
        "exceptions_written": None if written is None else [str(path) for path in written],
        "versions": [_version_json(one, own) for one, own in found.versions],
    }


def _version_json(one: Inventoried, own: Choice) -> dict[str, Any]:
    return {
        "workspace": one.key.workspace,
        "name": one.key.name,
        "version": one.key.version,
        "ready": one.is_ready,
        "aliases": [p.value for p in one.promotions if p.kind == "alias"],
        "stage": next((p.value for p in one.promotions if p.kind == "stage"), None),
        "state": one.state,
        "verdict": one.verdict,
        "scanned": one.is_scanned,
        "policies": [policy.name for policy in own.policies],
        "closed": _is_closed(one, own),
    }


def adoption_text(found: Adoption, written: Sequence[Path] | None) -> str:
    """Figures, what is promoted, what is in the way, and what to do next."""
    covered = _coverage(found)
    names = len({one.key.name for one, _ in found.versions})
    lines = [f"{covered}; {covered.waiting} wait(s). {names} registered model(s)."]
    promoted = [one for one, _ in found.versions if one.promotions]
    lines += [f"  {_line(one)}" for one in promoted[:_SHOWN]]
    if len(promoted) > _SHOWN:
        lines.append(f"  and {len(promoted) - _SHOWN} more; --format json lists all")
    lines += list(_in_the_way(found))
    if found.queued:
        lines.append(f"queued: {len(found.queued)} version(s), those that are promoted first")
    if written is not None:
        lines += [f"written: {path}" for path in written] or ["written: no exception is needed"]
    lines += [f"next: {text}" for text in _next(found, written)]
    return "\n".join(map(one_line, lines))


def _coverage(found: Adoption) -> Coverage:
    return Coverage.of([one for one, _ in found.versions])


def _line(one: Inventoried) -> str:
    held = ", ".join(f"{p.kind} {p.value}" for p in one.promotions)
    state = "before the gate" if one.state is None else one.state.replace("_", " ")
    return f"{one.key}: {held}; {one.verdict or 'no verdict'} ({state})"


def _is_closed(one: Inventoried, own: Choice) -> bool:
    """Whether its files are not handed out for want of a verdict."""
    # While nobody knows which policy it is, none counts.
    open_to_all = not own.is_open and any(
        policy.document.unsafe_allow_unscanned_reads for policy in own.policies
    )
    return one.verdict is None and not open_to_all


def _in_the_way(found: Adoption) -> Iterator[str]:
    without = {one.key.name for one, own in found.versions if not own.policies}
    if without:
        yield (
            f"no policy, so left alone: {', '.join(sorted(without))}; add them to "
            "match.registered_models of one"
        )
    closed = [one for one, own in found.versions if one.promotions and _is_closed(one, own)]
    if closed:
        yield (
            f"not handed out before their verdict: {', '.join(str(one.key) for one in closed)}; "
            "unsafe_allow_unscanned_reads in their policy opens them until all is scanned"
        )
    strict = {
        policy.name
        for one, own in found.versions
        for policy in own.policies
        # What a promotion that stands is asked again by is the mode of registrations.
        if policy.document.mode(Place.REGISTRATION) is Enforcement.ENFORCE
        and one.promotions
        and not one.is_scanned
    }
    if strict:
        yield (
            f"enforced by {', '.join(sorted(strict))}: what is promoted and does not pass is not "
            "handed out any more from its verdict on; begin with enforcement: audit"
        )


def _next(found: Adoption, written: Sequence[Path] | None) -> Iterator[str]:
    if any(one.can_be_queued and own.policies for one, own in found.versions):
        yield "xray-gate adopt --queue, so that what was never scanned is"
    if any(one.state is VersionState.WAITING for one, _ in found.versions):
        yield "xray-gate runner, until none waits"
    if written:
        yield "fill in owner, reason and ticket, have them reviewed; xray-gate policy check DIR"
    yield "xray-gate policy replay DIR --as-enforced: what a step to enforce would refuse"
    if written is None:
        yield "xray-gate adopt --write-exceptions DIR --days N: for what has to stay meanwhile"
