"""Scores clean reference models exactly as a scan would."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xray_gate import __version__
from xray_gate.core.errors import InputError
from xray_gate.core.evidence import DetectorEvidence, Evidence, RunState
from xray_gate.detectors.interface import Detector
from xray_gate.policy.calibration import Calibration, Reference
from xray_gate.policy.files import Policy
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.scan.lineup import build_detector
from xray_gate.scan.opening import preprocessing_of
from xray_gate.scan.pipeline import Scan, ScanRequest
from xray_gate.scan.ports import Device

_DETECTOR = "model_xray"
_STATISTICS = ("renyi_entropy", "ats", "largest_share", "horizon_agreement")


@dataclass(frozen=True)
class Calibrating:
    """What all references share; `policy` says what is measured and how models are asked.

    Of its detectors only model_xray runs: no other one is calibrated. Raises `InputError` where
    the policy does not measure it.
    """

    policy: Policy
    probes: ProbeSet
    scan: Scan
    seed: int
    device: Device

    def __post_init__(self) -> None:
        self._detector()

    def reference(self, path: Path) -> Reference:
        """Score one clean model.

        Raises `InputError` for a model that cannot serve as a reference: a scan of it ends
        undecided, and a calibration without it would say less than it seems to.
        """
        policy = _with_xray_only(self.policy)
        request = ScanRequest(path, path.name, policy, self.probes, self.seed, self.device)
        evidence = self.scan(request).evidence
        accuracy = 0.0 if evidence.probes is None else evidence.probes.accuracy
        if evidence.probes and not accuracy >= self.policy.document.min_probe_accuracy:
            raise InputError(
                f"{path}: is right on {accuracy:.1%} of the probes only, so it cannot be a "
                "reference; leave it out, or correct the policy's preprocessing"
            )
        detector = _completed(path, evidence)
        return Reference(
            name=path.name,
            digest=evidence.model.digest,
            architecture=evidence.model.architecture,
            probe_accuracy=accuracy,
            scores=_scores(detector),
        )

    def calibration(
        self, name: str, references: Sequence[Reference], command: str, created: str
    ) -> Calibration:
        """The file's contents; `InputError` when a model is among the references twice."""
        digests = [reference.digest for reference in references]
        twice = {r.name for r in references if digests.count(r.digest) > 1}
        if twice:
            raise InputError(
                f"{', '.join(sorted(twice))}: the same model counts once only; give each file once"
            )
        detector = self._detector()
        # As evidence records them, since a scan's are compared with these.
        budget = detector.budget(int(self.probes.labels.max()) + 1)
        parameters = {**detector.parameters, "query_budget": budget}
        return Calibration(
            name=name,
            created=created,
            command=command,
            xray_gate_version=__version__,
            parameters=parameters,
            preprocessing=preprocessing_of(self.policy).to_json(),
            seed=self.seed,
            probes_sha256=self.probes.sha256,
            references=list(references),
        )

    def _detector(self) -> Detector:
        detector = build_detector(self.policy, _DETECTOR)
        if not isinstance(detector, Detector):
            raise InputError(
                f"{_DETECTOR} cannot be calibrated under the policy {self.policy.name}: "
                f"{detector.reason}; set detectors.{_DETECTOR}.mode to required or optional"
            )
        return detector


def _with_xray_only(policy: Policy) -> Policy:
    detectors = policy.document.detectors.only(_DETECTOR)
    return replace(policy, document=policy.document.model_copy(update={"detectors": detectors}))


def _completed(path: Path, evidence: Evidence) -> DetectorEvidence:
    found = next((d for d in evidence.detectors if d.name == _DETECTOR), None)
    if evidence.obstacle or found is None or found.state is not RunState.COMPLETED:
        reason = evidence.obstacle or (found.reason if found else "it did not run")
        raise InputError(f"{path}: cannot be a reference: {reason}")
    return found


def _scores(detector: DetectorEvidence) -> dict[str, float]:
    return {
        f"{name}.{pixel_range}": float(score)
        for name in _STATISTICS
        for pixel_range, score in detector.statistics[name].items()
    }
