"""What a reviewer should know about a policy that is well-formed."""

from collections.abc import Iterator

from xray_gate.core.verdict import Enforcement
from xray_gate.policy.calibration import references_needed
from xray_gate.policy.document import CalibratedBounds
from xray_gate.policy.files import Policy, matches_glob

_LEAST_ACCURACY = 0.2


def findings(policy: Policy) -> list[str]:
    """Every setting that weakens the gate or cannot be defended, each with its remedy."""
    return [*_weakened(policy), *_thresholds(policy), *_incomplete(policy)]


def _weakened(policy: Policy) -> Iterator[str]:
    document = policy.document
    if document.enforcement is not Enforcement.ENFORCE:
        yield (
            f"enforcement is {document.enforcement}, so suspected versions are admitted; "
            "set it to enforce when the trial is over"
        )
    if document.unsafe_allow_unscanned_reads:
        yield "unsafe_allow_unscanned_reads lets versions be loaded before any verdict; remove it"
    for glob in document.promotion.free_aliases:
        if matches_glob("champion", glob) or matches_glob("production", glob):
            yield f"the free alias {glob!r} covers champion or production; name the free ones"
    if document.min_probe_accuracy < _LEAST_ACCURACY:
        yield (
            f"min_probe_accuracy is {document.min_probe_accuracy:g}, so a wrong pixel range or "
            "label order goes unnoticed; raise it to what a working model reaches"
        )
    if not document.promotion.stages:
        yield "no stage counts as a promotion; add Staging and Production"


def _thresholds(policy: Policy) -> Iterator[str]:
    rule = policy.document.detectors.model_xray.thresholds
    if not rule:
        yield (
            "model_xray has no thresholds, so nothing can pass; calibrate on clean models "
            "(`xray-gate calibrate --clean ...`)"
        )
    elif not isinstance(rule, CalibratedBounds):
        yield (
            "model_xray's thresholds are numbers without a calibration; scores differ between "
            "architectures, so calibrate on clean models of the kind that is registered"
        )
    elif policy.calibration is not None:
        share = rule.level / len(rule.statistics)
        needed = references_needed(share / 2 if "both" in rule.suspicious.values() else share)
        held = len(policy.calibration.references)
        if held < needed:
            yield (
                f"{policy.calibration.name} has {held} references, but level {rule.level:g} over "
                f"{len(rule.statistics)} statistic(s) takes {needed}; calibrate on more models"
            )
        if rule.unsafe_any_architecture:
            yield "unsafe_any_architecture judges models unlike the references; remove it"


def _incomplete(policy: Policy) -> Iterator[str]:
    if policy.document.match is None:
        yield "there is no `match`, so a registry never uses this policy; add the names it is for"
    if policy.probes is None:
        yield "there are no `probes`, so a runner cannot scan; add the path of clean samples"
    elif not policy.probes.exists():
        yield f"the probes {policy.probes} do not exist here; check the path"
