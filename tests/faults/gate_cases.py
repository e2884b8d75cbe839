"""The server is killed while it registers, promotes, withdraws or deletes."""

import itertools
from collections.abc import Callable
from typing import Any

from tests.faults.cases import LOOKS, Row, describe, look_for_problems, state_of
from tests.faults.gate_program import call
from tests.faults.instrument import Fault
from tests.faults.program import Order
from tests.faults.site import FaultSite
from tests.faults.surroundings import quick_scans

REGISTER, PROMOTE, REVOKE, DELETE, RESCAN = (
    "create_model_version",
    "set_registered_model_alias",
    "revoke",
    "delete_model_version",
    "rescan",
)
CALLS = (REGISTER, PROMOTE, REVOKE, DELETE, RESCAN)
_numbers = itertools.count(1)


def kill_calls(site: FaultSite, call_name: str) -> list[Row]:
    """Kill the server at every step of a call, each time with a model of its own."""
    steps = steps_of(site, call_name)
    models = _models(site, call_name, len(steps))
    left = []
    for step, model in zip(steps, models, strict=True):
        arguments = _arguments(site, call_name, model)
        process = site.runner(call_name, *arguments, program=call, faults={step: Fault.KILL})
        assert process.ended() < 0, f"{step} was never reached: {process.log}"
        left.append(describe(site, 1, model))
    site.recover(LOOKS, *_changes(call_name))
    problems = look_for_problems(site)
    ours = [[p for p in problems if p.startswith(f"{model}/1:")] for model in models]
    # What is no version's is told with the first.
    ours[0] += [p for p in problems if not any(p in found for found in ours)]
    return [
        Row(
            step,
            f"{Fault.KILL} of the server",
            before,
            describe(site, 1, model),
            state_of(site, 1, model),
            tuple(found),
        )
        for step, model, before, found in zip(steps, models, left, ours, strict=True)
    ]


def steps_of(site: FaultSite, call_name: str) -> list[str]:
    """What a sound call comes to, up to the moment after its last write."""
    (model,) = _models(site, call_name, 1)
    process = site.runner(call_name, *_arguments(site, call_name, model), program=call)
    assert process.ended() == 0, process.log
    trail = process.trail
    return trail[: trail.index(f"{call_name}: committed") + 1]


def _models(site: FaultSite, call_name: str, count: int) -> list[str]:
    """Registered models with what the call needs: nothing, or a version, maybe with a verdict."""
    names = [f"signs-{next(_numbers)}" for _ in range(count)]
    for name in names:
        if call_name == REGISTER:
            site.gate.store.create_registered_model(name)
        else:
            site.register("backdoored" if call_name == RESCAN else "no model", name)
    if call_name == RESCAN:
        site.scanned_again.update(f"{name}/1" for name in names)
    if call_name in (PROMOTE, REVOKE, RESCAN):
        site.recover(LOOKS, *_changes(call_name))
    return names


def _arguments(site: FaultSite, call_name: str, model: str) -> tuple[Any, ...]:
    if call_name == REGISTER:
        return model, site.logged("no model")
    return (model, "champion", 1) if call_name == PROMOTE else (model, 1)


def _changes(call_name: str) -> tuple[Callable[[Order], object], ...]:
    """Only a new scan is of a model that has to be asked."""
    return () if call_name == RESCAN else (quick_scans,)
