"""A policy in words: whom it is for, what is measured, and what makes the verdict."""

from collections.abc import Iterator, Sequence

from xray_gate.core.printable import printable
from xray_gate.core.verdict import Enforcement, Place
from xray_gate.policy.decision_spec import DecisionSpec
from xray_gate.policy.detector_spec import DetectorSpec
from xray_gate.policy.detector_specs import ModelXraySpec, TriggerSweepSpec
from xray_gate.policy.document import Match, PolicyDocument
from xray_gate.policy.files import Policy, calibrated_bounds
from xray_gate.policy.other_spec import OtherBound, OtherSpec
from xray_gate.policy.sufficiency import reach
from xray_gate.policy.xray_thresholds import CalibratedBounds, FixedBound

_ENFORCED = {
    Enforcement.ENFORCE: "only a version that passed may be promoted",
    Enforcement.WARN: "the verdict is kept, and admits whatever it is (warn)",
    Enforcement.AUDIT: "the verdict is kept, and admits whatever it is (audit)",
    Enforcement.OFF: "nothing is scanned, and no verdict is asked for (off)",
}
_READY = {
    Enforcement.ENFORCE: "becomes READY when it passed (enforce)",
    Enforcement.WARN: "becomes READY when it was scanned, and its status says the verdict (warn)",
    Enforcement.AUDIT: "becomes READY when it was scanned, and the verdict is kept (audit)",
    Enforcement.OFF: "becomes READY at once and unscanned (off)",
}
_PROMOTED = {
    Enforcement.ENFORCE: "only what passed (enforce)",
    Enforcement.WARN: "what was scanned, and its status says the verdict (warn)",
    Enforcement.AUDIT: "what was scanned, whatever the verdict (audit)",
    Enforcement.OFF: "anything, without a verdict (off)",
}
_CHECKED = {
    Enforcement.ENFORCE: "fails on what did not pass (enforce)",
    Enforcement.WARN: "says what was found, and passes (warn)",
    Enforcement.AUDIT: "reports what was found, and passes (audit)",
    Enforcement.OFF: "does not scan (off)",
}
_AT = {
    Place.REGISTRATION: _READY,
    Place.PROMOTION: _PROMOTED,
    Place.PULL_REQUEST: _CHECKED,
    Place.PRE_COMMIT: _CHECKED,
}
_SAME_BYTES = {
    "snapshot": "what was scanned is kept by the gate, and that is what everybody downloads",
    "verify": "files are compared with what was scanned at each promotion, not afterwards",
}
_MODES = {
    "required": "required, so it must pass",
    "optional": "optional, so what it finds counts and what it cannot tell does not",
    "off": "off",
}
_DISSENT = (
    "A version that some of them suspect, but too few, is undecided and not admitted: each "
    "detector is blind to something."
)
_UNSAFE_DISSENT = (
    "A version that some optional ones suspect, but too few, passes with a note, if every required "
    "one passed (unsafe_pass_if_outvoted)."
)


def explain_policy(policy: Policy) -> list[str]:
    """The policy as lines of text; the first one names it."""
    document = policy.document
    return [
        f"{policy.name} ({policy.digest[:19]})",
        *_said_by_its_authors(document),
        f"  For: {'; '.join(_matched(document.match))}.",
        *_precedence(document.precedence),
        *_enforcement(document),
        f"  Same bytes: {_SAME_BYTES[document.same_bytes]}.",
        *_age(document.max_age_days),
        *_asked(policy),
        *_exceptions(policy),
        *_training_data(policy),
        "  Detectors, in the order in which they run:",
        *(
            f"    {name}: {text}"
            for name, spec in document.detectors.named().items()
            for text in _detector(spec)
        ),
        *_references(policy),
        "  Verdict:",
        *(f"    {text}" for text in _verdict(document.decision, document.min_probe_accuracy)),
        *(f"    {text}" for text in _unsafe_rules(document)),
    ]


def _unsafe_rules(document: PolicyDocument) -> Iterator[str]:
    if document.unsafe_admit_undecided:
        yield "What is undecided is admitted all the same (unsafe_admit_undecided)."
    if document.unsafe_admit_not_applicable:
        yield (
            "What says that it is no classifier of images is undecided, and admitted all the same "
            "(unsafe_admit_not_applicable)."
        )


def _said_by_its_authors(document: PolicyDocument) -> Iterator[str]:
    if document.owner:
        yield f"  Owner: {printable(document.owner)}."
    if document.description:
        yield f"  Description: {printable(' '.join(document.description.split()))}"


def _matched(match: Match | None) -> Iterator[str]:
    if match is None:
        yield "no registered model (no `match`)"
    else:
        yield ", ".join(match.registered_models)
        for key, glob in match.tags.items():
            yield f"with the tag {printable(key)} = {printable(glob)}"
        if match.flavours is not None:
            yield f"of the flavour {' or '.join(match.flavours)}"


def _precedence(precedence: int) -> Iterator[str]:
    if precedence:
        yield f"  Precedence: {precedence}; of several policies that match, the highest counts."


def _enforcement(document: PolicyDocument) -> Iterator[str]:
    if isinstance(document.enforcement, Enforcement):
        yield f"  Enforcement: {_ENFORCED[document.enforcement]}."
        return
    yield "  Enforcement:"
    for place, said in _AT.items():
        yield f"    {place}: {said[document.mode(place)]}."


def _age(days: float | None) -> Iterator[str]:
    if days is not None:
        yield f"  Age: a scan admits for {days:g} days."


def _asked(policy: Policy) -> Iterator[str]:
    if policy.document.formats is not None:
        yield f"  Formats: {', '.join(policy.document.formats)}; others are undecided."
    if policy.probes_digest is not None:
        place = policy.probes_uri or policy.probes
        yield f"  Probes: {place}, with the digest {policy.probes_digest}."


def _exceptions(policy: Policy) -> Iterator[str]:
    allowed = policy.document.exceptions
    if allowed is not None:
        yield (
            f"  Exceptions: reviewed ones of at most {allowed.most_days} days admit what does not "
            f"pass ({len(policy.exceptions)} beside it)."
        )
    if policy.document.break_glass is not None:
        yield (
            "  Break-glass: an operator may let one promotion through, to be made within "
            f"{policy.document.break_glass.minutes} minutes and reviewed afterwards."
        )


def _training_data(policy: Policy) -> Iterator[str]:
    if policy.wants_logged_training_data:
        yield "  Training data: what the registrant logged as such with the model's MLflow run."
    elif policy.training_data is not None:
        yield f"  Training data: {policy.training_data}, whichever version is scanned."


def _references(policy: Policy) -> Iterator[str]:
    if policy.calibration is not None:
        yield f"  Calibration {policy.calibration.title()}:"
        rule = calibrated_bounds(policy.document)
        yield from (f"    {text}." for text in reach(rule, policy.calibration.references))


def _detector(spec: DetectorSpec) -> Iterator[str]:
    yield f"{_MODES[spec.mode]}.{_bounds(spec)}"
    near = spec.only_near
    if near is not None and spec.mode != "off":
        sweep = ""
        if "trigger_sweep" in near.detectors:
            sweep = f", or trigger_sweep's excess is at least {0 - near.margin:g}"
        yield (
            f"runs only where {' or '.join(near.detectors)} did not pass, or passed with a p-value "
            f"of at most {near.factor:g} times its level{sweep}. Else it is skipped as not needed, "
            "which leaves the verdict to the others."
        )


def _bounds(spec: DetectorSpec) -> str:
    if isinstance(spec, TriggerSweepSpec):
        return f" Finds something at p <= {spec.level:g}."
    if isinstance(spec, ModelXraySpec):
        bounds = spec.thresholds
        if isinstance(bounds, CalibratedBounds):
            return _calibrated(bounds)
        return _numbers(bounds or [])
    return _numbers(spec.thresholds) if isinstance(spec, OtherSpec) else ""


def _calibrated(bounds: CalibratedBounds) -> str:
    kind = "any kind" if bounds.unsafe_any_architecture else "its own architecture"
    statistics = ", ".join(bounds.statistics)
    if bounds.method == "f1":
        return (
            f" Finds something beyond the thresholds with the highest F1 (Eq. 6) on the references "
            f"of {bounds.calibration} of {kind}, over {statistics}. No false-positive rate is "
            "promised."
        )
    return (
        f" Finds something at level {bounds.level:g} of {bounds.calibration}, over {statistics}: "
        f"at most {100 * bounds.level:.3g} % of clean models that are exchangeable with the clean "
        f"references of {kind} are refused."
    )


def _numbers(bounds: Sequence[FixedBound | OtherBound]) -> str:
    if not bounds:
        return " Without thresholds its scores decide nothing."
    said = [f"{b.statistic} {b.suspicious} {b.bound:g} ({b.source})" for b in bounds]
    return f" Finds something at {', or '.join(said)}."


def _verdict(rule: DecisionSpec, least_accuracy: float) -> Iterator[str]:
    yield (
        f"Undecided if the model cannot be asked, or is right on under {least_accuracy:.0%} of the "
        "probes."
    )
    yield from decision_text(rule)
    yield "Undecided if a detector crashed, or a required one could not tell."
    yield "Else passed."


def decision_text(rule: DecisionSpec) -> Iterator[str]:
    """How many detectors must find something to fail a version, in sentences."""
    if rule.rule == "any":
        yield "Failed if any detector finds something, required or optional (rule any)."
    elif rule.rule == "all":
        yield "Failed if every detector that reached an outcome found something (rule all)."
    else:
        weights = ", ".join(f"{name} {weight:g}" for name, weight in (rule.weights or {}).items())
        yield (
            f"Failed if those that found something hold at least {rule.threshold:.0%} of the "
            f"weight of all that reached an outcome (rule weighted; {weights}; others 0)."
        )
    if rule.rule != "any":
        yield "Every required one must have reached an outcome for that; else undecided."
        yield _UNSAFE_DISSENT if rule.unsafe_pass_if_outvoted else _DISSENT
