"""What the rules share: one for each detector, from its evidence to an outcome.

A rule is pure, and is asked only about completed runs of a detector that the policy names.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from xray_gate.core.evidence import DetectorEvidence, Evidence
from xray_gate.core.verdict import DetectorJudgement
from xray_gate.policy.detector_spec import DetectorSpec
from xray_gate.policy.files import Policy

Rule = Callable[[Policy, Evidence, DetectorEvidence], DetectorJudgement]


class CannotJudge(Exception):
    """The evidence cannot be held against the policy; the text is the reason, with a next step."""


NOT_NAMED = "the policy does not name it; name it in the policy and scan again"
"""Why evidence of a detector that the policy does not name cannot be judged."""


def own_threshold(policy: Policy, bound: float, suspicious: str) -> dict[str, Any]:
    """A threshold as judgements hold it, for a bound that stands in the policy itself."""
    return {"bound": bound, "suspicious": suspicious, "source": f"policy {policy.name}"}


def require_the_policys_settings(
    policy: Policy, spec: DetectorSpec, evidence: Evidence, detector: DetectorEvidence
) -> None:
    """Raise `CannotJudge` unless the scan was made with the settings of `spec`.

    Evidence may come from another policy: of the runner, of a copy's origin, of last week.
    """
    wanted = spec.settings()
    parameters = as_mapping(detector.parameters)
    measured = {name: parameters.get(name) for name in wanted}
    wanted["preprocessing"] = policy.document.preprocessing.model_dump(mode="json")
    measured["preprocessing"] = as_mapping(evidence.environment).get("preprocessing")
    if policy.document.classes is not None:
        wanted["classes"], measured["classes"] = policy.document.classes, evidence.model.classes
    differing = [
        f"{name} was {measured[name]!r}, and the policy says {wanted[name]!r}"
        for name in wanted
        if measured[name] != wanted[name]
    ]
    if differing:
        raise CannotJudge(
            f"the scan was not made as the policy {policy.name} says: {'; '.join(differing)}; "
            "register the version again to have it scanned under this policy"
        )


def as_mapping(value: Any) -> Mapping[str, Any]:
    """`value` where it is a mapping, else an empty one: evidence is read back from a database."""
    return value if isinstance(value, Mapping) else {}


def finite_number(value: Any) -> float | None:
    """`value` where it is a finite number, else None; NaN compares as harmless with every bound."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def label_text(policy: Policy, label: int) -> str:
    """`5 (dog)`, or the number alone where the policy has no name for it; `label` from 0."""
    names = policy.document.class_names or []
    return f"{label} ({names[label]})" if 0 <= label < len(names) else str(label)
