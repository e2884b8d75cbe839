"""The JSON report, schema_version "1": a wire format of its own, apart from the domain.

It is frozen: fields may be added, never renamed, retyped or dropped, so every report ever written
with this version can be read for ever. Fields marked "added" may be missing in older reports.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from xray_gate.core.errors import InputError
from xray_gate.core.evidence import DetectorEvidence, Evidence, ModelFacts
from xray_gate.core.strict_json import json_values, loads_strictly
from xray_gate.core.verdict import Decision, DetectorJudgement

SCHEMA_VERSION: Literal["1"] = "1"

_NEXT_STEP = "give a report.json as `xray-gate scan` writes it"


class _Wire(BaseModel):
    """Unknown fields are kept: a newer minor writer may have added them."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow", strict=True)


class ModelV1(_Wire):
    """The model that was scanned; all but `ref` and `digest` were added."""

    ref: str
    digest: str
    format: str | None = None
    classes: int | None = None
    architecture: str | None = None


class PolicyV1(_Wire):
    """The policy that decided."""

    name: str
    digest: str


class ProbesV1(_Wire):
    """The clean samples of the scan; `accuracy` is in [0, 1]."""

    count: int
    classes: int
    sha256: str
    accuracy: float


class WayOfAskingV1(_Wire):
    """Questions asked in other company than before, and how many of them got other answers.

    `rounded` of these are not held against the model: rounding explains them.
    """

    asked: int
    disagreed: int
    rounded: int


class AnswersV1(_Wire):
    """Clean samples among probe points, and probe points among clean samples.

    `check_queries` were asked for checks such as these, beside the detectors' own `queries`.
    """

    check_queries: int
    clean_among_probing: WayOfAskingV1
    probing_among_clean: WayOfAskingV1


class SuspectedLabelV1(_Wire):
    """A label that stands out; `share` is in [0, 1]."""

    label: int
    share: float


class DetectorV1(_Wire):
    """One detector: what it measured and what the policy made of it. `seconds` is wall time."""

    name: str
    outcome: Literal["passed", "failed", "inconclusive", "errored", "skipped"]
    reason: str | None
    access: Literal["hard-label", "soft-label", "gradient"]
    statistics: dict[str, Any]
    thresholds: dict[str, Any]
    suspected_labels: list[SuspectedLabelV1]
    queries: int
    seconds: float
    parameters: dict[str, Any]


class ExceptionV1(_Wire):
    """A reviewed exception by which a gate admits the version until the day `expires`."""

    name: str
    rule: str
    ticket: str
    expires: str


class ReportV1(_Wire):
    """The whole report.

    `enforcement`, `exceptions`, `seed`, `obstacle`, `probes` and `answers` were added.
    """

    schema_version: Literal["1"]
    scan_id: str
    started_at: str
    finished_at: str
    model: ModelV1
    policy: PolicyV1
    verdict: Literal["passed", "failed", "undecided"]
    reasons: list[str]
    enforcement: Literal["enforce", "warn", "audit", "off"] | None = None
    exceptions: list[ExceptionV1] = []
    obstacle: str | None = None
    seed: int | None = None
    probes: ProbesV1 | None = None
    answers: AnswersV1 | None = None
    detectors: list[DetectorV1]
    environment: dict[str, Any]


def report_json(
    evidence: Evidence, decision: Decision, policy_name: str, policy_digest: str
) -> dict[str, Any]:
    """The report as JSON values, keys in the order of the contract.

    Raises ValueError when evidence and decision are not about the same detectors.
    """
    report = {
        "schema_version": SCHEMA_VERSION,
        "scan_id": evidence.scan_id,
        "started_at": evidence.started_at,
        "finished_at": evidence.finished_at,
        "model": _model(evidence.model),
        "policy": {"name": policy_name, "digest": policy_digest},
        "verdict": decision.verdict,
        "reasons": decision.reasons,
        "enforcement": decision.enforcement,
        "exceptions": [
            {"name": one.name, "rule": one.rule, "ticket": one.ticket, "expires": one.expires}
            for one in decision.excused_by
        ],
        "obstacle": evidence.obstacle,
        "seed": evidence.seed,
        "probes": None if evidence.probes is None else vars(evidence.probes),
        "answers": None if evidence.answers is None else asdict(evidence.answers),
        "detectors": [_detector(*pair) for pair in _judged(evidence, decision)],
        "environment": evidence.environment,
    }
    if decision.undecided_class is not None:
        report["undecided_class"] = decision.undecided_class
    return ReportV1.model_validate(json_values(report)).model_dump()


def _model(facts: ModelFacts) -> dict[str, Any]:
    """What is known of a model; its flavours, which were added, only where they are."""
    unknown = {"flavours"} if facts.flavours is None else set[str]()
    return {name: value for name, value in vars(facts).items() if name not in unknown}


def dump(report: Mapping[str, Any]) -> str:
    """The report as text: ASCII, indented by 2, keys in their order; ValueError on NaN."""
    return json.dumps(report, indent=2, allow_nan=False) + "\n"


def read_report(text: str | bytes) -> ReportV1:
    """Read what `dump` wrote, also that of older and newer minor versions.

    Raises `InputError` that names what is wrong: no JSON, keys given twice, NaN, another
    schema_version, fields that are missing or of the wrong type.
    """
    try:
        data = loads_strictly(text)
    except ValueError as error:
        raise InputError(f"the report is not valid JSON ({error}); {_NEXT_STEP}") from error
    _check_version(data)
    try:
        return ReportV1.model_validate(data)
    except ValidationError as error:
        raise InputError(f"the report is malformed: {_findings(error)}; {_NEXT_STEP}") from error


def _judged(
    evidence: Evidence, decision: Decision
) -> list[tuple[DetectorEvidence, DetectorJudgement]]:
    measured = [detector.name for detector in evidence.detectors]
    judgements = {judgement.name: judgement for judgement in decision.judgements}
    if len(judgements) != len(decision.judgements) or sorted(measured) != sorted(judgements):
        judged = [judgement.name for judgement in decision.judgements]
        raise ValueError(f"evidence is about the detectors {measured}, judgements about {judged}")
    return [(detector, judgements[detector.name]) for detector in evidence.detectors]


def _detector(evidence: DetectorEvidence, judgement: DetectorJudgement) -> dict[str, Any]:
    return {
        "name": evidence.name,
        "outcome": judgement.outcome,
        "reason": judgement.reason if judgement.reason is not None else evidence.reason,
        "access": evidence.access,
        "statistics": evidence.statistics,
        "thresholds": judgement.thresholds,
        "suspected_labels": [vars(suspected) for suspected in evidence.suspected_labels],
        "queries": evidence.queries,
        "seconds": evidence.seconds,
        "parameters": evidence.parameters,
    }


def _check_version(data: object) -> None:
    if not isinstance(data, dict):
        raise InputError(f"the report is no JSON object; {_NEXT_STEP}")
    if "schema_version" not in data:
        raise InputError(f"the report has no schema_version; {_NEXT_STEP}")
    if data["schema_version"] != SCHEMA_VERSION:
        raise InputError(
            f"the report has schema_version {str(data['schema_version'])[:40]!r}, but this version "
            f"of xray-gate reads {SCHEMA_VERSION!r}; read it with the version that wrote it"
        )


def _findings(error: ValidationError) -> str:
    findings = [
        f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False)
    ]
    more = f" (and {len(findings) - 5} more)" if len(findings) > 5 else ""
    return "; ".join(findings[:5]) + more
