"""A policy as settings by path, with every default written out."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from xray_gate.core.verdict import Enforcement, Place
from xray_gate.policy.detector_specs import Detectors
from xray_gate.policy.document import PolicyDocument
from xray_gate.policy.other_spec import OtherBound
from xray_gate.policy.xray_thresholds import FixedBound


def settings_of(document: PolicyDocument) -> dict[str, Any]:
    """Path to value, as `detectors.trigger_sweep.level`; lists stay whole, bounds go by name.

    A detector that the policy does not name has the mode `off`, and nothing else.
    """
    return dict(_walk(document, ""))


def _walk(model: BaseModel, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, info in type(model).model_fields.items():
        yield from _settings(getattr(model, name), f"{prefix}{info.alias or name}", model)


def _settings(value: Any, path: str, owner: BaseModel) -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        yield from _walk(value, f"{path}.")
    elif isinstance(value, Enforcement) and path == "enforcement":
        for place in Place:
            yield f"{path}.{place}", value
    elif isinstance(value, dict):
        for key in sorted(value):
            yield from _settings(value[key], f"{path}.{key}", owner)
    elif isinstance(value, list) and value and isinstance(value[0], FixedBound | OtherBound):
        for bound in value:
            yield f"{path}.{bound.statistic}", (bound.suspicious, bound.bound)
            yield f"{path}.{bound.statistic}.source", bound.source
    elif value is None and isinstance(owner, Detectors):
        yield f"{path}.mode", "off"
    else:
        yield path, tuple(value) if isinstance(value, list) else value
