"""One scan: digest, open, check the answers, run the detectors, gather the evidence."""

import platform
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from xray_gate import __version__
from xray_gate.core.errors import (
    ModelAnswerError,
    ModelProcessError,
    ScanError,
    XrayGateError,
)
from xray_gate.core.evidence import (
    DetectorEvidence,
    Evidence,
    ModelFacts,
    ProbeFacts,
    RunState,
)
from xray_gate.core.log_fields import log_fields
from xray_gate.detectors.all_detectors import ALL_DETECTORS
from xray_gate.detectors.interface import Detector, DetectorRun, Subject
from xray_gate.detectors.model_xray.detector import ModelXray
from xray_gate.policy.conditions import UNCHECKED_CODE
from xray_gate.policy.escalation import NOT_NEEDED, need_of
from xray_gate.policy.files import Policy
from xray_gate.policy.xray_rule import stopping_of
from xray_gate.policy.xray_stopping import XrayStopping
from xray_gate.probing.answer_checks import CheckedOracle, check_answers
from xray_gate.probing.batches import LabelArray
from xray_gate.probing.clean_rows import CleanSamples
from xray_gate.probing.company import suspicion
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.probing.training_data import TrainingData
from xray_gate.scan.applicability import why_not_applicable
from xray_gate.scan.digest import MOST_NAMES, digest_of, file_digests, model_digest
from xray_gate.scan.lineup import Known, build_detector, line_up, not_run, stream_of_a_plugin
from xray_gate.scan.mlmodel import flavours_of
from xray_gate.scan.opening import (
    check_classes,
    file_rules,
    preprocessing_of,
    probed_request,
)
from xray_gate.scan.ports import Device, FileCheck, ModelOpener, ModelRequest, OpenModel
from xray_gate.scan.training import training_facts
from xray_gate.scan.work import Champion, MissingTraining, ScanOutput

_NO_CLASSIFIER = (
    "correct its signature if it is one, or have it matched by a policy for such models"
)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ScanRequest:
    """What to scan: `path` holds the files, `ref` is what people call the model.

    `training`: the data that it was trained on, for the detectors that need them; or why they
    cannot be had, which those detectors then say. `to_the_end`: measure all that the parameters
    allow, even where the verdict is settled before; references are scanned so.
    """

    path: Path
    ref: str
    policy: Policy
    probes: ProbeSet
    seed: int
    device: Device = "auto"
    champion: Champion | None = None
    training: TrainingData | MissingTraining | None = None
    to_the_end: bool = False


class Scan:
    """Scans models. `clock` gives the time for the report; everything else follows the seed.

    `detectors`: those that can run, ours and those of plug-ins. `check` looks through the files of
    a model that says that it is no classifier of images; without it, such a one is scanned, too.
    """

    def __init__(
        self,
        open_model: ModelOpener,
        clock: Callable[[], datetime],
        progress: Progress | None = None,
        detectors: Known = ALL_DETECTORS,
        check: FileCheck | None = None,
    ) -> None:
        self._check = check
        self._detectors = detectors
        self._open_model = open_model
        self._clock = clock
        self._progress = progress or (lambda name, done, total: None)

    def __call__(self, request: ScanRequest) -> ScanOutput:
        """Evidence about the model at `request.path`.

        A model that cannot be asked, or whose answers cannot be trusted, is an obstacle in the
        evidence. `InputError` is raised before any evidence exists: an unreadable model, or probes
        that do not fit it.
        """
        files = file_digests(request.path)
        draft = _draft(request.ref, digest_of(files), request.policy, request.seed, self._clock())
        draft = replace(draft, model=replace(draft.model, flavours=flavours_of(request.path)))
        if sum(map(len, files)) <= MOST_NAMES:
            # Else the look at the files refuses them.
            draft = replace(draft, model=replace(draft.model, files=files))
        draft = replace(draft, environment={**draft.environment, **self._let_through(request)})
        with log_fields(scan_id=draft.scan_id, digest=draft.model.digest):
            try:
                output = self._not_asked(request, draft) or self._ask(request, draft)
            except ScanError as error:
                output = ScanOutput(_obstructed(draft, request.policy, str(error), self._detectors))
        finished = replace(output.evidence, finished_at=self._clock().isoformat())
        return replace(output, evidence=finished)

    def _let_through(self, request: ScanRequest) -> dict[str, str]:
        """What only a policy with `unsafe_unchecked_code` opens: others must not pass it by this.

        What is refused in any case is refused once more, where it counts.
        """
        rules = file_rules(request.policy)
        if self._check is None or not rules.unchecked_code:
            return {}
        try:
            self._check(request.path, replace(rules, unchecked_code=False))
        except ScanError as error:
            return {UNCHECKED_CODE: str(error)}
        return {}

    def _not_asked(self, request: ScanRequest, draft: Evidence) -> ScanOutput | None:
        """Evidence that a model is no classifier of images, where it says so with sound files.

        Files that are refused raise `ScanError`, as those of every other model.
        """
        reason = None if self._check is None else why_not_applicable(request.path)
        if reason is None or self._check is None:
            return None
        self._check(request.path, _request(request, request.path).files)
        told = f"the model is no classifier of images: {reason}; {_NO_CLASSIFIER}"
        evidence = _obstructed(draft, request.policy, told, self._detectors, RunState.SKIPPED)
        return ScanOutput(replace(evidence, not_applicable=reason))

    def _ask(self, request: ScanRequest, draft: Evidence) -> ScanOutput:
        # First, as a pass over large data would be taken off the time that the model has.
        training = training_facts(request.training)
        rng = np.random.default_rng(request.seed)
        # Streams of their own, by the detectors' places in the list: neither a check nor another
        # detector may move the planes, whose scores are compared with a calibration's.
        check_rng, *detector_rngs = rng.spawn(1 + len(ALL_DETECTORS))
        (champion_rng,) = rng.spawn(1)
        with ExitStack() as stack:
            model = stack.enter_context(self._open_model(_request(request, request.path)))
            check_classes(request.policy, model)
            labels = check_answers(model, request.probes.as_batch(), check_rng)
            evidence = replace(
                draft,
                model=_model_facts(draft.model, model),
                probes=_probe_facts(request.probes, labels),
                # Ours last: what the model's process says of itself must not replace it.
                environment={**model.environment, **draft.environment},
            )
            champion, compared = self._champion(request, model.classes, champion_rng, stack)
            told = {**evidence.environment, **compared, **training}
            evidence = replace(evidence, environment=told)
            clean = CleanSamples(request.probes.images, labels)
            oracle = CheckedOracle(model, check_rng, clean=clean)
            subject = Subject(oracle, request.probes, labels, champion, *_training(request))
            runs: list[DetectorRun] = []
            streams = dict(zip(ALL_DETECTORS, detector_rngs, strict=True))
            for name in line_up(request.policy, self._detectors):
                stream = streams.get(name) or stream_of_a_plugin(request.seed, name)
                so_far = replace(evidence, detectors=tuple(run.evidence for run in runs))
                runs.append(self._run(request, so_far, name, subject, stream))
            obstacle = _compare(oracle)
        return ScanOutput(
            replace(
                evidence,
                obstacle=obstacle,
                detectors=tuple(run.evidence for run in runs),
                answers=oracle.facts,
            ),
            planes=[plane for run in runs for plane in run.planes],
            triggers=[trigger for run in runs for trigger in run.triggers],
        )

    def _run(
        self,
        request: ScanRequest,
        evidence: Evidence,
        name: str,
        subject: Subject,
        rng: np.random.Generator,
    ) -> DetectorRun:
        detector = build_detector(request.policy, name, self._detectors)
        if isinstance(detector, DetectorEvidence):
            return DetectorRun(detector)
        least = request.policy.document.min_probe_accuracy
        if evidence.probes is None or evidence.probes.accuracy < least:
            reason = "the accuracy on the probes is too low for any score to mean something"
            return DetectorRun(not_run(detector, RunState.SKIPPED, reason))
        need = need_of(request.policy, evidence, name)
        if not need.is_there:
            reason = f"{NOT_NEEDED}{need.reason}"
            return DetectorRun(not_run(detector, RunState.SKIPPED, reason))
        if isinstance(detector, ModelXray) and not request.to_the_end:
            subject = replace(subject, stopping=_stopping(request.policy, evidence, detector))
        return detector.run(subject, rng, lambda done, total: self._progress(name, done, total))

    def _champion(
        self, request: ScanRequest, classes: int, rng: np.random.Generator, stack: ExitStack
    ) -> tuple[CheckedOracle | None, dict[str, Any]]:
        """The champion to compare with, if it can be asked, and what the evidence says of it.

        It stays open as long as `stack`. One that cannot be asked is left out with the reason: the
        scan is then what it is for a first version.
        """
        champion = request.champion
        if champion is None:
            return None, {}
        facts: dict[str, Any] = {"ref": champion.ref}
        try:
            opened = stack.enter_context(self._open_model(_request(request, champion.path)))
            if opened.classes != classes:
                raise ModelAnswerError(f"it knows {opened.classes} classes, the model {classes}")
            labels = check_answers(opened, request.probes.as_batch(), rng)
            accuracy = _probe_facts(request.probes, labels).accuracy
            if accuracy < request.policy.document.min_probe_accuracy:
                raise ModelAnswerError(f"it is right on {accuracy:.1%} of the probes only")
            facts |= {"digest": model_digest(champion.path), "compared": True}
            return CheckedOracle(opened, rng), {"champion": facts}
        except XrayGateError as error:
            return None, {"champion": {**facts, "compared": False, "reason": str(error)}}


def _stopping(policy: Policy, evidence: Evidence, detector: ModelXray) -> XrayStopping:
    """When the policy's verdict by this detector is settled."""
    blank = not_run(detector, RunState.ERRORED, "it has not run yet")
    budget = detector.budget(evidence.model.classes)
    return stopping_of(
        policy, evidence, replace(blank, parameters={**blank.parameters, "query_budget": budget})
    )


def _compare(oracle: CheckedOracle) -> str | None:
    """Why what was measured cannot be believed, or not all of it: the evidence's obstacle.

    Where the model's process is gone, what was measured before it ended stands. So it does where
    the model answers otherwise in other company, so that a person sees how often; it admits
    nothing. Answers that changed for all to see leave nothing standing, and raise
    `ModelAnswerError`.
    """
    ended = None
    try:
        oracle.compare()
    except ModelProcessError as error:
        ended = str(error)
    found = None if oracle.facts is None else suspicion(oracle.facts)
    return "; ".join(filter(None, (found, ended))) or None


def unscannable(ref: str, policy: Policy, reason: str, now: datetime) -> ScanOutput:
    """Evidence that a model could not even be looked at: never a pass under any policy."""
    draft = _draft(ref, "unknown", policy, default_seed(policy), now)
    return ScanOutput(_obstructed(draft, policy, reason))


def default_seed(policy: Policy) -> int:
    """The seed of the policy's calibration, since scores are compared with that one's; else 0."""
    return 0 if policy.calibration is None else policy.calibration.seed


def _draft(ref: str, digest: str, policy: Policy, seed: int, now: datetime) -> Evidence:
    return Evidence(
        scan_id=str(uuid.uuid4()),
        started_at=now.isoformat(),
        finished_at=now.isoformat(),
        model=ModelFacts(ref, digest, "unknown", 0),
        probes=None,
        detectors=(),
        seed=seed,
        environment=_environment(policy),
    )


def _request(request: ScanRequest, path: Path) -> ModelRequest:
    return probed_request(path, request.policy, request.probes, request.device)


def _model_facts(facts: ModelFacts, model: OpenModel) -> ModelFacts:
    return replace(
        facts, format=model.format, classes=model.classes, architecture=model.architecture
    )


def _probe_facts(probes: ProbeSet, labels: LabelArray) -> ProbeFacts:
    return ProbeFacts(
        count=len(probes),
        classes=len(probes.present_classes),
        sha256=probes.sha256,
        accuracy=float((labels == probes.labels).mean()),
    )


def _training(request: ScanRequest) -> tuple[TrainingData | None, str | None]:
    found = request.training
    return (None, found.reason) if isinstance(found, MissingTraining) else (found, None)


def _environment(policy: Policy) -> dict[str, Any]:
    return {
        "xray_gate": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "preprocessing": preprocessing_of(policy).to_json(),
    }


def _obstructed(
    draft: Evidence,
    policy: Policy,
    reason: str,
    known: Known = ALL_DETECTORS,
    state: RunState = RunState.ERRORED,
) -> Evidence:
    detectors = []
    for name in line_up(policy, known):
        detector = build_detector(policy, name, known)
        if isinstance(detector, Detector):
            detector = not_run(detector, state, reason)
        elif name not in known:
            # Whether its plug-in is there was not what stopped the scan.
            detector = replace(detector, state=state, reason=reason)
        detectors.append(detector)
    return replace(draft, obstacle=reason, detectors=tuple(detectors))
