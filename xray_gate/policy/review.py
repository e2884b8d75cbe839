"""What a reviewer should know about a policy that is well-formed."""

from collections.abc import Iterator

from xray_gate.core.verdict import Enforcement, Place, expiry_text
from xray_gate.policy.calibration_review import calibration_findings
from xray_gate.policy.detector_specs import FAMILIES
from xray_gate.policy.document import PolicyDocument
from xray_gate.policy.exception_document import why_not_today
from xray_gate.policy.exceptions import counting
from xray_gate.policy.files import Policy, calibrated_bounds
from xray_gate.policy.globs import matches_glob

_LEAST_ACCURACY = 0.2
_LEAST_LEVEL = 1e-4
# Queries a second of a small network on two cores, and how many labels most models know.
_USUAL_RATE = 10_000
_USUAL_CLASSES = 10


def findings(policy: Policy) -> list[str]:
    """Every setting that weakens the gate or cannot be defended, each with its remedy."""
    return [
        *_weakened(policy),
        *_promotion(policy),
        *_chosen_by_others(policy),
        *_allowed(policy),
        *_xray(policy),
        *_sweep(policy),
        *_b3d(policy),
        *_others(policy),
        *_rule(policy),
        *_escalation(policy),
        *_training_data(policy),
        *_incomplete(policy),
    ]


def _weakened(policy: Policy) -> Iterator[str]:
    document = policy.document
    yield from _modes(document)
    if document.unsafe_allow_unscanned_reads:
        yield "unsafe_allow_unscanned_reads lets versions be loaded before any verdict; remove it"
    if document.isolation.unsafe_pickled_in_process:
        yield (
            "unsafe_pickled_in_process opens models that run code of whoever made them without "
            "isolation; remove it, and install bubblewrap where scans run"
        )
    if document.unsafe_unchecked_code:
        yield (
            "unsafe_unchecked_code lets models be loaded that bring code nobody can check "
            "(pickles, Python files); remove it, and have models logged as ONNX or with their "
            "weights only"
        )
    yield from _admitted_undecided(document)
    if document.min_probe_accuracy < _LEAST_ACCURACY:
        yield (
            f"min_probe_accuracy is {document.min_probe_accuracy:g}, so a wrong pixel range or "
            "label order goes unnoticed; raise it to what a working model reaches"
        )
    if document.same_bytes == "verify":
        yield (
            "same_bytes is verify, so what is downloaded lies where the registrant put it and may "
            "change after a promotion; set it to snapshot, or remove it"
        )


def _promotion(policy: Policy) -> Iterator[str]:
    document = policy.document
    for glob in document.promotion.free_aliases:
        if matches_glob("champion", glob) or matches_glob("production", glob):
            yield f"the free alias {glob!r} covers champion or production; name the free ones"
    if not document.promotion.stages:
        yield "no stage counts as a promotion; add Staging and Production"
    elif left_out := [s for s in ("Staging", "Production") if s not in document.promotion.stages]:
        yield (
            f"versions reach the stage {left_out[0]} without any verdict (promotion.stages); add it"
        )
    if document.promotion.copies is not True:
        yield (
            "copies need no verdict before they are made (promotion.copies), so a name that people "
            "trust may list versions that wait; remove it"
        )


def _admitted_undecided(document: PolicyDocument) -> Iterator[str]:
    if document.unsafe_admit_undecided:
        yield (
            "unsafe_admit_undecided admits what could not be scanned or decided, which whoever "
            "registers a model can bring about; remove it"
        )
    if document.unsafe_admit_not_applicable:
        yield (
            "unsafe_admit_not_applicable admits, unscanned, every model whose MLmodel says that it "
            "is no classifier of images, also one that merely says so; remove it, and give such "
            "models names with a policy of their own"
        )


_LET_THROUGH = {
    Place.REGISTRATION: "suspected versions become READY",
    Place.PROMOTION: "suspected versions are promoted",
    Place.PULL_REQUEST: "pull requests with suspected models are not stopped",
    Place.PRE_COMMIT: "suspected models can be committed",
}
_UNASKED = {
    **_LET_THROUGH,
    Place.REGISTRATION: "versions become READY without a scan, and wait for nobody",
    Place.PROMOTION: "versions are promoted without any verdict",
}


def _modes(document: PolicyDocument) -> Iterator[str]:
    mode = document.enforcement
    if isinstance(mode, Enforcement) and mode in (Enforcement.WARN, Enforcement.AUDIT):
        yield (
            f"enforcement is {mode}, so suspected versions are admitted; "
            "set it to enforce when the trial is over"
        )
        return
    for place in Place:
        mode = document.mode(place)
        if mode is not Enforcement.ENFORCE:
            what = _UNASKED[place] if mode is Enforcement.OFF else _LET_THROUGH[place]
            yield f"enforcement at {place} is {mode}, so that {what}; set it to enforce"


def _chosen_by_others(policy: Policy) -> Iterator[str]:
    match = policy.document.match
    if match is not None and match.tags:
        yield (
            "match.tags asks for tags, which whoever may edit the registered model sets, and with "
            "them the policy; match by name, or make sure that this one is no weaker than the "
            "policy of models without the tags"
        )
    if match is not None and match.flavours is not None:
        yield (
            "match.flavours asks for flavours, which whoever registers a version writes into its "
            "MLmodel, and with them the policy; match by name, or make sure that this one is no "
            "weaker than the policy of models without the flavours"
        )


def _allowed(policy: Policy) -> Iterator[str]:
    exceptions = policy.document.exceptions
    if exceptions is not None:
        yield (
            f"exceptions of up to {exceptions.most_days} days may admit what does not pass; "
            "remove `exceptions` when none is needed"
        )
    if policy.document.break_glass is not None:
        yield (
            "break_glass lets an operator promote what does not pass, on their word alone; remove "
            "it where nobody has to at night"
        )


def exception_findings(policy: Policy, now: float) -> Iterator[str]:
    """Each of the policy's exceptions that does not count at `now`, with the remedy."""
    for one in policy.exceptions:
        problem = why_not_today(one, now)
        if problem is not None:
            yield f"the exception {one.name}: {problem}"


def exceptions_told(policy: Policy, now: float) -> Iterator[str]:
    """Each of the policy's exceptions that counts at `now`: whose, for what, how long."""
    for one in counting(policy, now):
        yield (
            f"exception {one.name}: admits {one.model[:19]} in spite of {one.rule}, "
            f"{expiry_text(one.ends_at, now)} (owner {one.owner}, ticket {one.ticket})"
        )


def _xray(policy: Policy) -> Iterator[str]:
    spec = policy.document.detectors.model_xray
    if spec is None or spec.mode == "off":
        return
    rule = calibrated_bounds(policy.document)
    if not spec.thresholds:
        # An optional one without thresholds informs, and that is a sound use of it.
        if spec.mode == "required":
            yield (
                "model_xray is required and has no thresholds, so nothing can pass; make it "
                "optional, or calibrate on clean models (`xray-gate calibrate --clean ...`)"
            )
    elif rule is None:
        yield (
            "model_xray's thresholds are numbers without a calibration; scores differ between "
            "architectures, so calibrate on clean models of the kind that is registered"
        )
    elif policy.calibration is not None:
        yield from calibration_findings(rule, policy.calibration)


def _sweep(policy: Policy) -> Iterator[str]:
    spec = policy.document.detectors.trigger_sweep
    if spec is None or spec.mode != "required":
        named = policy.document.detectors.named()
        others = [name for name, other in named.items() if other.mode == "required"]
        yield (
            f"trigger_sweep is not required, so versions pass on the word of {', '.join(others)}, "
            "which see fewer kinds of backdoor or have been tried on few models; set "
            "detectors.trigger_sweep.mode to required"
        )
    if spec is None or spec.mode == "off":
        return
    families = spec.settings()["families"]
    if left_out := [family for family in FAMILIES if family not in families]:
        yield (
            f"trigger_sweep does not look for {', '.join(left_out)}; remove `families`, or name "
            "these as well"
        )
    if spec.level < _LEAST_LEVEL:
        yield (
            f"trigger_sweep's level is {spec.level:g}, which few backdoors reach on the images "
            "of a scan; raise it, 0.01 is usual"
        )


def _b3d(policy: Policy) -> Iterator[str]:
    document = policy.document
    spec = document.detectors.b3d
    if spec is None or spec.mode == "off":
        return
    classes = document.classes or _USUAL_CLASSES
    queries = spec.iterations * (2 * spec.samples + 1) * spec.batch * classes
    seconds = queries / _USUAL_RATE
    if seconds > document.limits.seconds:
        yield (
            f"b3d may ask {queries / 1e6:.1f} million queries of a model with {classes} labels, "
            f"about {seconds / 60:.0f} minutes of a small one on two cores, and limits.seconds is "
            f"{document.limits.seconds:g}; raise it, or lower iterations"
        )


def _others(policy: Policy) -> Iterator[str]:
    for name, spec in policy.document.detectors.others.items():
        if spec.mode == "required" and not spec.thresholds:
            yield (
                f"{name} is required and has no thresholds, so nothing can pass; add "
                f"detectors.others.{name}.thresholds, or make it optional"
            )


def _rule(policy: Policy) -> Iterator[str]:
    rule = policy.document.decision
    if rule.rule != "any":
        yield (
            f"decision.rule is {rule.rule}, so a version that one detector alone suspects may be "
            "left undecided instead of failed; set it to any"
        )
    if rule.unsafe_pass_if_outvoted:
        yield (
            "unsafe_pass_if_outvoted lets a version pass although a detector suspects it; remove it"
        )
    for name in _can_find(policy):
        if rule.weights is not None and name not in rule.weights:
            yield (
                f"{name} has no weight, so what it finds alone never fails a version; add it to "
                "decision.weights"
            )


def _can_find(policy: Policy) -> list[str]:
    """The detectors in use that may fail; X-ray without thresholds only informs."""
    detectors = policy.document.detectors
    used = [name for name, spec in detectors.named().items() if spec.mode != "off"]
    xray = detectors.model_xray
    silent = {name for name, spec in detectors.others.items() if not spec.thresholds}
    if xray is not None and not xray.thresholds:
        silent.add("model_xray")
    return [name for name in used if name not in silent]


def _escalation(policy: Policy) -> Iterator[str]:
    for name, spec in policy.document.detectors.named().items():
        if spec.mode == "off" or spec.only_near is None:
            continue
        for cheap in spec.only_near.detectors:
            level = _level(policy, cheap)
            if level is None:
                yield (
                    f"{name} runs near {cheap}, which has no calibrated thresholds at a level, so "
                    f"that {name} always runs; calibrate {cheap} (method conformal), or remove it "
                    f"from {name}.only_near"
                )
            elif level * spec.only_near.factor >= 1:
                yield (
                    f"{name}.only_near.factor is {spec.only_near.factor:g}, and {cheap}'s level "
                    f"times that is 1 or more, so that {name} always runs; lower it, 10 is usual"
                )


def _level(policy: Policy, name: str) -> float | None:
    """The level that a p-value of the detector is held against; None without one."""
    if name == "trigger_sweep":
        sweep = policy.document.detectors.trigger_sweep
        return None if sweep is None else sweep.level
    bounds = calibrated_bounds(policy.document)
    if bounds is None or bounds.method != "conformal":
        return None
    return bounds.level / len(bounds.statistics)


def _training_data(policy: Policy) -> Iterator[str]:
    detectors = policy.document.detectors
    inspector = detectors.named().get("dtinspector")
    required = inspector is not None and inspector.mode == "required"
    if policy.wants_logged_training_data:
        if required:
            yield (
                "dtinspector is required, and training_data are whatever the registrant logged, "
                "who may leave out what was poisoned; name their path"
            )
    elif policy.training_data is not None:
        if not policy.training_data.exists():
            yield f"the training data {policy.training_data} do not exist here; check the path"
    elif required:
        yield (
            "dtinspector is required and there are no `training_data`, so a runner leaves every "
            "version undecided; add their path, or make dtinspector optional"
        )


def _incomplete(policy: Policy) -> Iterator[str]:
    if policy.document.match is None:
        yield "there is no `match`, so a registry never uses this policy; add the names it is for"
    if policy.probes is None and policy.probes_uri is None:
        yield "there are no `probes`, so a runner cannot scan; add the path of clean samples"
    elif policy.probes is not None and not policy.probes.exists():
        yield f"the probes {policy.probes} do not exist here; check the path"
