"""Turns a verdict into a signed attestation, of a bounded size whatever was scanned."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from xray_gate import __version__
from xray_gate.core.evidence import DetectorEvidence, Evidence
from xray_gate.core.strict_json import json_values
from xray_gate.core.verdict import Decision, DetectorJudgement, Verdict
from xray_gate.policy.calibration import versions_of
from xray_gate.policy.files import Policy
from xray_gate.scan.digest import digest_of
from xray_gate.scan.work import ScanOutput
from xray_gate.signing.dsse import sealed
from xray_gate.signing.keys import SigningKey
from xray_gate.signing.statement import (
    EXTENSION,
    VERIFIER,
    levels_of,
    read_statement,
    resource_uri,
    result_of,
    written_name,
)
from xray_gate.signing.wire import time_text

_MOST_LISTED = 4 * 2**20  # characters of all files' names and hashes
_MOST_STATISTICS = 2**14  # characters of one detector's
_MOST_REASONS, _LONGEST_REASON = 20, 1000


class Attesting:
    """A `VerdictSigner` with a key of its own; `clock` gives the time of the verdict."""

    def __init__(self, key: SigningKey, clock: Callable[[], datetime]) -> None:
        self._key = key
        self._clock = clock

    def __call__(self, output: ScanOutput, decision: Decision, policy: Policy) -> str | None:
        """The envelope, or None where no bytes were looked at.

        Raises ValueError where evidence and files are not of one scan, or a score is no number.
        """
        if not output.evidence.model.files:
            if decision.verdict is Verdict.PASSED:
                raise ValueError("a model passed of which no file was looked at")
            return None
        if digest_of(output.evidence.model.files) != output.evidence.model.digest:
            raise ValueError("the files are not those that the evidence is about")
        statement = _statement(output, decision, policy, self._clock())
        payload = json.dumps(statement, separators=(",", ":"), allow_nan=False)
        # Read back as `verify` will: nothing is signed that cannot be verified.
        read_statement(payload.encode("ascii"))
        return sealed(payload.encode("ascii"), self._key)


def _statement(
    output: ScanOutput, decision: Decision, policy: Policy, now: datetime
) -> dict[str, Any]:
    evidence = output.evidence
    uri = resource_uri(evidence.model.ref)
    ours = {
        "verdict": decision.verdict,
        "enforcement": decision.enforcement,
        "reasons": [_cut(reason) for reason in decision.reasons[:_MOST_REASONS]],
        "files": _listing(output.evidence.model.files),
        "scan": _scan(evidence, decision),
    }
    summary = {
        "verifier": {"id": VERIFIER, "version": {"xray-gate": __version__}},
        "timeVerified": time_text(now),
        "resourceUri": uri,
        "policy": {
            "uri": f"{VERIFIER}#policy/{quote(policy.name, safe='')}",
            "digest": _digest_set(policy.digest),
        },
        "verificationResult": result_of(decision.verdict),
        "verifiedLevels": levels_of(decision.verdict),
        EXTENSION: ours,
    }
    written: dict[str, Any] = json_values(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": uri, "digest": _digest_set(evidence.model.digest)}],
            "predicateType": "https://slsa.dev/verification_summary/v1",
            "predicate": summary,
        }
    )
    return written


def _listing(files: Mapping[str, str]) -> list[dict[str, Any]] | None:
    listing = [
        {"name": written_name(name), "digest": _digest_set(digest)}
        for name, digest in sorted(files.items())
    ]
    return listing if len(json.dumps(listing)) <= _MOST_LISTED else None


def _scan(evidence: Evidence, decision: Decision) -> dict[str, Any]:
    judgements = {judgement.name: judgement for judgement in decision.judgements}
    return {
        "scan_id": evidence.scan_id,
        "started_at": evidence.started_at,
        "finished_at": evidence.finished_at,
        "format": evidence.model.format,
        "classes": evidence.model.classes,
        "seed": evidence.seed,
        "probes": None if evidence.probes is None else vars(evidence.probes),
        "versions": versions_of(evidence),
        "detectors": [_detector(item, judgements.get(item.name)) for item in evidence.detectors],
    }


def _detector(found: DetectorEvidence, judged: DetectorJudgement | None) -> dict[str, Any]:
    reason = found.reason if judged is None or judged.reason is None else judged.reason
    kept, left_out = _bounded(found.statistics)
    return {
        "name": found.name,
        "outcome": None if judged is None else judged.outcome,
        "reason": None if reason is None else _cut(reason),
        "queries": found.queries,
        "statistics": kept,
        "left_out": left_out,
    }


def _bounded(statistics: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The statistics that fit, the shortest first, and how many do not: the report has them."""
    sizes = sorted((len(json.dumps([name, value])), name) for name, value in statistics.items())
    kept: dict[str, Any] = {}
    room = _MOST_STATISTICS
    for size, name in sizes:
        if size > room:
            break
        room -= size
        kept[name] = statistics[name]
    return kept, len(statistics) - len(kept)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"


def _digest_set(digest: str) -> dict[str, str]:
    return {"sha256": digest.removeprefix("sha256:")}
