"""MLflow's calls through the gate and without it, in turns, on one database."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.speed.registry.place import SOURCE, Place

Row = dict[str, Any]
Call = Callable[[Any, str, int], None]

_WARMING = 3
GATED, PLAIN = "gated", "plain"


def set_alias(store: Any, name: str, number: int) -> None:
    """Move an alias to the other of two versions: one that stays where it is is no write."""
    store.set_registered_model_alias(name, "champion", str(1 + number % 2))


def register(store: Any, name: str, number: int) -> None:
    """Register one more version."""
    store.create_model_version(name, f"{SOURCE}/{number}")


OPERATIONS: dict[str, Call] = {"set an alias": set_alias, "register a version": register}


def measure(place: Place, plain_name: str, calls: int) -> list[Row]:
    """One row for each operation.

    Args:
        place: Its name has two admitted versions, of which an alias may be moved to either.
        plain_name: A registered model with two versions that the gate never saw.
        calls: How many of each operation, through the gate and as many without it.

    """
    finished = place.finished()
    rows = []
    for operation, call in OPERATIONS.items():
        ways = {GATED: (place.gated, place.name), PLAIN: (place.plain, plain_name)}
        taken = _in_turns(call, ways, calls)
        rows.append({"operation": operation, "finished": finished, **summary(taken)})
    return rows


def _in_turns(call: Call, ways: dict[str, tuple[Any, str]], calls: int) -> dict[str, list[float]]:
    """Milliseconds of each call."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(_WARMING + calls):
        # Each is as often the first of a pair as the second.
        for name in sorted(ways, reverse=bool(number % 4 > 1)):
            store, model = ways[name]
            started = time.perf_counter()
            call(store, model, number)
            if number >= _WARMING:
                taken[name].append(1e3 * (time.perf_counter() - started))
    return taken


def summary(taken: dict[str, list[float]]) -> Row:
    """Medians and 90th percentiles in ms; ``added_ms`` is the median of the pairs' differences."""
    pairs = zip(taken[GATED], taken[PLAIN], strict=True)
    found = {
        way: {"median_ms": statistics.median(times), "p90_ms": percentile_90(times)}
        for way, times in taken.items()
    }
    return {
        **found,
        "calls": len(taken[GATED]),
        "added_ms": statistics.median([gated - plain for gated, plain in pairs]),
        "added_p90_ms": found[GATED]["p90_ms"] - found[PLAIN]["p90_ms"],
        "all_ms": taken,
    }


def percentile_90(times: list[float]) -> float:
    """The 90th percentile; of a single figure, that figure."""
    if len(times) == 1:
        return times[0]
    return statistics.quantiles(times, n=10, method="inclusive")[-1]
