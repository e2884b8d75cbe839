"""The product's own Model X-ray: through its child process, with hidden checks and scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.plan import Outcome, Plan, PlaneKey, ScoredPlane
from benchmarks.speed.processes import children, peak_bytes, resident_bytes
from benchmarks.speed.worker import Run
from xray_gate.backends.isolation import open_model
from xray_gate.core.evidence import DetectorEvidence, Evidence, ModelFacts, ProbeFacts, RunState
from xray_gate.detectors.all_detectors import ALL_DETECTORS
from xray_gate.detectors.interface import DetectorRun, Subject
from xray_gate.detectors.model_xray.detector import ModelXray
from xray_gate.detectors.model_xray.parameters import ModelXrayParameters, Sampling
from xray_gate.policy.decision import decide
from xray_gate.policy.decision_spec import DecisionSpec
from xray_gate.policy.files import Policy
from xray_gate.policy.xray_rule import stopping_of
from xray_gate.policy.xray_stopping import XrayStopping
from xray_gate.probing.answer_checks import CheckedOracle
from xray_gate.probing.clean_rows import CleanSamples
from xray_gate.probing.planes import draw_planes
from xray_gate.probing.preprocessing import Preprocessing
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.scan.digest import model_digest
from xray_gate.scan.opening import preprocessing_of
from xray_gate.scan.pipeline import default_seed
from xray_gate.scan.ports import Device, ModelLimits, ModelRequest, OpenModel

# A scan of a large model on a CPU may take hours; nobody waits for a verdict here.
_SECONDS = 86_400.0


@dataclass(frozen=True)
class Case:
    """One model with its probes, and how it is scanned.

    Attributes:
        model: The file; it takes pixels in [0, 1], channels first.
        probes: Clean samples.
        parameters: Of Model X-ray; each way has its own sampling.
        device: Where the model runs.
        policy: What judges the scans, if anything does.
        batch: Images a call; None for the product's own choice.
        memory_mb: What the model's process may use.

    """

    model: Path
    probes: ProbeSet
    parameters: ModelXrayParameters
    device: Device = "cpu"
    policy: Policy | None = None
    batch: int | None = None
    memory_mb: int = 8192

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.probes.images.shape[1:]
        return channels, height, width

    @property
    def preprocessing(self) -> Preprocessing:
        """What the policy declares, if there is one."""
        return Preprocessing() if self.policy is None else preprocessing_of(self.policy)

    @property
    def seed(self) -> int:
        """That of a scan under the policy."""
        return 0 if self.policy is None else default_seed(self.policy)

    def stream(self) -> np.random.Generator:
        """The random numbers that a scan hands to Model X-ray, from their beginning."""
        _, *streams = np.random.default_rng(self.seed).spawn(1 + len(ALL_DETECTORS))
        return dict(zip(ALL_DETECTORS, streams, strict=True))["model_xray"]

    def request(self) -> ModelRequest:
        """How the product opens the model."""
        request = ModelRequest(
            path=self.model,
            preprocessing=self.preprocessing,
            outputs="auto",
            classes=int(self.probes.labels.max()) + 1,
            input_shape=self.shape,
            device=self.device,
            limits=ModelLimits(_SECONDS, self.memory_mb * 2**20),
        )
        return request if self.batch is None else replace(request, batch_size=self.batch)

    def plan(self) -> Plan:
        """The planes that a scan lays, for the other ways."""
        drawn = draw_planes(self.probes, self.parameters.planes, self.stream())
        triples = np.array([triple for triple, _ in drawn])
        return Plan(
            samples=self.probes.images[triples],
            true_labels=self.probes.labels[triples],
            size=self.parameters.size,
            eta=self.parameters.eta,
            ranges=self.parameters.pixel_ranges,
            alpha=self.parameters.alpha,
            cap=self.parameters.cap,
        )


@contextmanager
def opened(case: Case) -> Iterator[tuple[OpenModel, int]]:
    """The model in the product's child process, and that process's number."""
    before = children()
    with open_model(case.request()) as model:
        (child,) = children() - before
        yield model, child


@contextmanager
def started(case: Case, sampling: Sampling, stops: bool) -> Iterator[Run]:
    """Model X-ray with this sampling, the model being open.

    Where it ``stops`` and there is a policy, planes are drawn until its verdict is settled.
    """
    with opened(case) as (model, child):
        open_bytes = resident_bytes(child)
        labels = model.labels(case.probes.as_batch())
        clean = CleanSamples(case.probes.images, labels)
        oracle = CheckedOracle(model, np.random.default_rng(case.seed), clean=clean)
        subject = Subject(oracle, case.probes, labels)
        judging = _Judging.of(case, model, float((labels == case.probes.labels).mean()))
        if stops and judging is not None:
            subject = replace(subject, stopping=judging.stopping())

        def scan(plan: Plan) -> Outcome:
            wanted = replace(
                case.parameters, planes=len(plan.samples), size=plan.size, sampling=sampling
            )
            run = ModelXray(wanted).run(subject, case.stream())
            return Outcome(
                queries=run.evidence.queries,
                seconds=run.evidence.seconds,
                open_bytes=open_bytes,
                peak_bytes=peak_bytes(child),
                planes=_planes(run, plan),
                batch=int(model.environment["batch"]),
                verdict=None if judging is None else judging.verdict(run.evidence),
            )

        yield scan


def _planes(run: DetectorRun, plan: Plan) -> dict[PlaneKey, ScoredPlane]:
    if run.evidence.state is not RunState.COMPLETED:
        raise RuntimeError(f"the scan did not complete: {run.evidence.reason}")
    planes: dict[PlaneKey, ScoredPlane] = {}
    for plane in run.planes:
        if not np.array_equal(plane.samples, plan.samples[plane.index]):
            raise RuntimeError(f"plane {plane.index} is not the one that the other ways scan")
        scored = ScoredPlane(plane.labels, plane.renyi_entropy, plane.ats)
        planes[plane.index, plane.pixel_range] = scored
    return planes


@dataclass(frozen=True)
class _Judging:
    """What a policy makes of Model X-ray's evidence, as if that alone were required."""

    policy: Policy
    parameters: Mapping[str, Any]
    draft: Evidence

    @classmethod
    def of(cls, case: Case, model: OpenModel, accuracy: float) -> _Judging | None:
        """None without a policy."""
        if case.policy is None:
            return None
        probes = case.probes
        facts = (case.model.name, model_digest(case.model), model.format, model.classes)
        draft = Evidence(
            scan_id="",
            started_at="",
            finished_at="",
            model=ModelFacts(*facts, model.architecture),
            probes=ProbeFacts(len(probes), len(probes.present_classes), probes.sha256, accuracy),
            detectors=(),
            seed=case.seed,
            environment={**model.environment, "preprocessing": case.preprocessing.to_json()},
        )
        budget = ModelXray(case.parameters).budget(model.classes)
        parameters = {**case.parameters.to_json(), "query_budget": budget}
        return cls(_xray_alone(case.policy), parameters, draft)

    def stopping(self) -> XrayStopping:
        """When the policy's verdict is settled."""
        blank = DetectorEvidence("model_xray", ModelXray.access, RunState.ERRORED)
        return stopping_of(self.policy, self.draft, replace(blank, parameters=self.parameters))

    def verdict(self, evidence: DetectorEvidence) -> str:
        """The verdict; scores of dense planes are held against the policy's references, too."""
        judged = replace(evidence, parameters=self.parameters)
        return decide(self.policy, replace(self.draft, detectors=(judged,))).verdict.value


def _xray_alone(policy: Policy) -> Policy:
    spec = policy.document.detectors.model_xray
    if spec is None:
        raise ValueError(f"policy {policy.name}: does not name model_xray, so it judges no scan")
    detectors = policy.document.detectors.only("model_xray").model_copy(
        update={"model_xray": spec.model_copy(update={"mode": "required", "only_near": None})}
    )
    changes = {"detectors": detectors, "decision": DecisionSpec()}
    return replace(policy, document=policy.document.model_copy(update=changes))
