"""Detectors that other distributions bring, found by the entry points `xray_gate.detectors`.

A plug-in that cannot be used is an error before any scan, whether a policy names it or not: a
runner that went on without it would end one version after another undecided, and who installed it
would never hear of it.
"""

import inspect
from collections.abc import Collection, Iterable
from importlib.metadata import EntryPoint, entry_points

from xray_gate.core.access import Access
from xray_gate.core.errors import InputError
from xray_gate.detectors.interface import Detector

GROUP = "xray_gate.detectors"


def read_plugins(reserved: Collection[str]) -> dict[str, type[Detector]]:
    """The detectors of all installed plug-ins by name, in the order of their names.

    Raises `InputError`, which names the distribution, for one that cannot be imported, is no
    `Detector`, calls itself otherwise than its entry point does, or takes a name that is
    `reserved` or another plug-in's.
    """
    return detectors_of(entry_points(group=GROUP), reserved)


def detectors_of(
    points: Iterable[EntryPoint], reserved: Collection[str]
) -> dict[str, type[Detector]]:
    """As `read_plugins`, from these entry points."""
    taken = dict.fromkeys(reserved, "xray-gate")
    found: dict[str, type[Detector]] = {}
    for point in sorted(points, key=lambda point: (point.name, point.value)):
        distribution = _distribution(point)
        if point.name in taken:
            raise InputError(
                f"{distribution}: its detector {point.name} has the name of one of "
                f"{taken[point.name]}; uninstall one of the two, or rename it"
            )
        taken[point.name] = distribution
        found[point.name] = _load(point, distribution)
    return found


def _load(point: EntryPoint, distribution: str) -> type[Detector]:
    where = f"{distribution}: its detector {point.name} ({point.value})"
    try:
        loaded = point.load()
    # Whatever its import runs into, an exit included: it is not our code.
    except (Exception, SystemExit) as error:
        raise InputError(
            f"{where} cannot be loaded ({type(error).__name__}: {error}); repair or uninstall it"
        ) from error
    if problem := _problem(point.name, loaded):
        raise InputError(f"{where} {problem}; correct or uninstall it")
    detector: type[Detector] = loaded
    return detector


def _problem(name: str, loaded: object) -> str | None:
    if not (isinstance(loaded, type) and issubclass(loaded, Detector)):
        return "is no subclass of xray_gate.detectors.interface.Detector"
    if inspect.isabstract(loaded):
        missing = ", ".join(sorted(loaded.__abstractmethods__))
        return f"lacks {missing}"
    if getattr(loaded, "name", None) != name:
        said = getattr(loaded, "name", None)
        return f"calls itself {said!r}, and the entry point {name!r}"
    if not isinstance(getattr(loaded, "access", None), Access):
        return "does not say its access, one of Access"
    return None


def _distribution(point: EntryPoint) -> str:
    return "an unknown distribution" if point.dist is None else point.dist.name
