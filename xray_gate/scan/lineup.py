"""Which detectors a scan goes through, and each one built as the policy says."""

import hashlib
from collections.abc import Mapping

import numpy as np

from xray_gate.core.access import Access
from xray_gate.core.errors import InputError
from xray_gate.core.evidence import DetectorEvidence, RunState
from xray_gate.detectors.all_detectors import ALL_DETECTORS
from xray_gate.detectors.interface import Detector
from xray_gate.policy.detector_spec import DetectorSpec
from xray_gate.policy.files import Policy

_OFF = "the policy switches it off"

Known = Mapping[str, type[Detector]]


def line_up(policy: Policy, known: Known = ALL_DETECTORS) -> list[str]:
    """The names in the order of a report: ours, then those of plug-ins, installed or not."""
    others = {*known, *policy.document.detectors.others} - ALL_DETECTORS.keys()
    return [*ALL_DETECTORS, *sorted(others)]


def stream_of_a_plugin(seed: int, name: str) -> np.random.Generator:
    """A stream of random numbers that depends on the seed and the detector's name alone.

    Ours are told apart by their places in `ALL_DETECTORS`; whatever else is installed moves neither
    those nor this one.
    """
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))


def build_detector(
    policy: Policy, name: str, known: Known = ALL_DETECTORS
) -> Detector | DetectorEvidence:
    """A detector with the policy's parameters, or the evidence that says why it does not run."""
    if name not in known:
        reason = (
            "no installed plug-in has a detector of this name; install it on the machine that "
            "scans, and scan again"
        )
        return DetectorEvidence(name, Access.HARD_LABEL, RunState.SKIPPED, reason=reason)
    found = known[name]
    spec = policy.document.detectors.named().get(name)
    if spec is None:
        reason = "the policy does not name it"
        return DetectorEvidence(name, found.access, RunState.SKIPPED, reason=reason)
    if name not in ALL_DETECTORS:
        return _of_a_plugin(found, name, spec)
    detector = found.from_json(spec.settings())
    return not_run(detector, RunState.SKIPPED, _OFF) if spec.mode == "off" else detector


def not_run(detector: Detector, state: RunState, reason: str) -> DetectorEvidence:
    """Evidence that a detector did not run."""
    return DetectorEvidence(
        detector.name, detector.access, state, reason=reason, parameters=detector.parameters
    )


def _of_a_plugin(
    found: type[Detector], name: str, spec: DetectorSpec
) -> Detector | DetectorEvidence:
    if spec.mode == "off":
        # Not even built, so that what is wrong with it cannot leave the verdict open.
        return DetectorEvidence(
            name, found.access, RunState.SKIPPED, reason=_OFF, parameters=spec.settings()
        )
    # The policy cannot check what it does not know, and a plug-in may raise what it likes.
    try:
        return found.from_json(spec.settings())
    except Exception as error:
        said = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        reason = f"it cannot be built ({said}); correct detectors.others.{name}.parameters"
        return DetectorEvidence(name, found.access, RunState.ERRORED, reason=reason)
