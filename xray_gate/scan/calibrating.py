"""Scores reference models exactly as a scan would."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xray_gate import __version__
from xray_gate.core.errors import InputError, XrayGateError
from xray_gate.core.evidence import DetectorEvidence, Evidence, RunState
from xray_gate.detectors.interface import Detector
from xray_gate.policy.calibration import (
    Calibration,
    Reference,
    differences,
    measured_settings,
    versions_of,
)
from xray_gate.policy.files import Policy
from xray_gate.policy.rule import finite_number
from xray_gate.policy.xray_statistics import xray_scores
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.scan.digest import model_digest
from xray_gate.scan.lineup import build_detector
from xray_gate.scan.opening import preprocessing_of, probed_request
from xray_gate.scan.pipeline import Scan, ScanRequest
from xray_gate.scan.ports import Device, ModelOpener

_DETECTOR = "model_xray"


@dataclass(frozen=True)
class ReferenceModel:
    """A model that is to be scored. `group`: the attack of a backdoored one, None for a clean one.

    `place` is what messages call it. `files` brings them here for the time of a context; they have
    to be those of `digest` then.
    """

    name: str
    place: str
    digest: str
    architecture: str | None
    group: str | None
    files: Callable[[], AbstractContextManager[Path]]


@dataclass(frozen=True)
class Calibrating:
    """What all references share; `policy` says what is measured and how models are asked.

    Of its detectors only model_xray runs: no other one is calibrated. Raises `InputError` where
    the policy does not measure it.
    """

    policy: Policy
    probes: ProbeSet
    scan: Scan
    open_model: ModelOpener
    seed: int
    device: Device

    def __post_init__(self) -> None:
        self._detector()

    @property
    def settings(self) -> dict[str, Any]:
        """What a scan must share with the references, as its evidence records it."""
        detector = self._detector()
        budget = detector.budget(int(self.probes.labels.max()) + 1)
        return {
            "parameters": {**detector.parameters, "query_budget": budget},
            "preprocessing": preprocessing_of(self.policy).to_json(),
            "seed": self.seed,
            "probes_sha256": self.probes.sha256,
        }

    def local_model(
        self, path: Path, group: str | None, known: Mapping[str, Reference]
    ) -> ReferenceModel:
        """The model in a file or folder, with what can be told of it without a scan.

        It is opened for its architecture, unless its digest is `known`. Raises `InputError` where
        it cannot be read.
        """
        digest = model_digest(path)
        reference = known.get(digest)
        architecture = self._architecture(path) if reference is None else reference.architecture
        return ReferenceModel(
            path.name, str(path), digest, architecture, group, lambda: nullcontext(path)
        )

    def reference(self, model: ReferenceModel) -> Reference:
        """Score one model.

        Raises `InputError` for a model that cannot serve as a reference: a scan of it ends
        undecided, and a calibration without it would say less than it seems to.
        """
        try:
            with model.files() as path:
                _require_digest(path, model)
                evidence = self._evidence(path, model.name)
        except XrayGateError as error:
            raise InputError(f"{model.place}: cannot be a reference: {error}") from error
        accuracy = 0.0 if evidence.probes is None else evidence.probes.accuracy
        if evidence.probes and not accuracy >= self.policy.document.min_probe_accuracy:
            raise InputError(
                f"{model.place}: is right on {accuracy:.1%} of the probes only, so it cannot be a "
                "reference; leave it out, or correct the policy's preprocessing"
            )
        detector = _completed(model.place, evidence)
        if differing := differences(self.settings, measured_settings(evidence, detector)):
            raise InputError(
                f"{model.place}: was not scanned as this calibration says it is: "
                f"{'; '.join(differing)}; leave it out, or calibrate it by itself"
            )
        return Reference(
            name=model.name,
            digest=evidence.model.digest,
            architecture=evidence.model.architecture,
            group=model.group,
            probe_accuracy=accuracy,
            scores=_scores(detector),
            environment=versions_of(evidence),
        )

    def calibration(
        self, name: str, references: Sequence[Reference], command: str, created: str
    ) -> Calibration:
        """The file's contents."""
        return Calibration(
            name=name,
            created=created,
            command=command,
            xray_gate_version=__version__,
            references=list(references),
            **self.settings,
        )

    def _evidence(self, path: Path, name: str) -> Evidence:
        policy = _with_xray_only(self.policy)
        request = ScanRequest(
            path, name, policy, self.probes, self.seed, self.device, to_the_end=True
        )
        return self.scan(request).evidence

    def _architecture(self, path: Path) -> str | None:
        try:
            request = probed_request(path, self.policy, self.probes, self.device)
            with self.open_model(request) as model:
                return model.architecture
        except XrayGateError as error:
            raise InputError(f"{path}: cannot be a reference: {error}") from error

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


def _require_digest(path: Path, model: ReferenceModel) -> None:
    found = model_digest(path)
    if found != model.digest:
        raise InputError(
            f"its files have changed: they have the digest {found}, and {model.digest} was "
            "expected; find out who changed them, and leave it out"
        )


def _completed(place: str, evidence: Evidence) -> DetectorEvidence:
    found = next((d for d in evidence.detectors if d.name == _DETECTOR), None)
    if evidence.obstacle or found is None or found.state is not RunState.COMPLETED:
        reason = evidence.obstacle or (found.reason if found else "it did not run")
        raise InputError(f"{place}: cannot be a reference: {reason}; leave it out")
    return found


def _scores(detector: DetectorEvidence) -> dict[str, float]:
    numbers = {name: finite_number(score) for name, score in xray_scores(detector).items()}
    return {name: score for name, score in numbers.items() if score is not None}
