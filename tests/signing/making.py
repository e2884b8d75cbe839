"""A signed verdict on a small model folder, made by hand: no scan, no registry."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.evidence import clean, make_policy
from xray_gate.core.evidence import Evidence
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy
from xray_gate.scan.digest import digest_of, file_digests
from xray_gate.scan.work import ScanOutput
from xray_gate.signing.attesting import Attesting
from xray_gate.signing.keys import SigningKey
from xray_gate.signing.trust import TrustedKey
from xray_gate.signing.verification import Expected, Verification, verify

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
KEY, OTHER_KEY = SigningKey.generate(), SigningKey.generate()

FILES = {"MLmodel": b"flavors: {}\n", "data/weights.bin": b"\x00\x01" * 50, "empty": b""}


def write_model(folder: Path) -> Path:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def output_of(model: Path, evidence: Evidence | None = None) -> ScanOutput:
    """What a scan of these files leaves behind, had it found this."""
    files = file_digests(model)
    found = clean() if evidence is None else evidence
    facts = replace(found.model, digest=digest_of(files), files=files)
    return ScanOutput(replace(found, model=facts))


@dataclass(frozen=True)
class Signed:
    """A model and its attestation."""

    model: Path
    policy: Policy
    envelope: str

    def verified(self, **changes: Any) -> Verification:
        """Checked as it is, but for changes of `verify`'s arguments."""
        arguments: dict[str, Any] = {
            "model": self.model,
            "envelope": self.envelope.encode(),
            "trust": trusting(KEY),
            "expected": Expected(),
            "now": NOW,
        }
        return verify(**{**arguments, **changes})


def sign(
    folder: Path,
    evidence: Evidence | None = None,
    *,
    model: Path | None = None,
    key: SigningKey = KEY,
    at: datetime = NOW,
    **policy: Any,
) -> Signed:
    """Sign the verdict on `model` (a small folder unless given) under the policy of the tests."""
    model = write_model(folder / "model") if model is None else model
    decided_by = make_policy(folder / "policies", **policy)
    output = output_of(model, evidence)
    decision = decide(decided_by, output.evidence)
    envelope = Attesting(key, lambda: at)(output, decision, decided_by)
    assert envelope is not None
    return Signed(model, decided_by, envelope)


def trusting(*keys: SigningKey, **limits: datetime) -> dict[str, TrustedKey]:
    return {key.public.key_id: TrustedKey(key.public, **limits) for key in keys}


def days(number: float) -> timedelta:
    return timedelta(days=number)
