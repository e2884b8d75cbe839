"""Whether a signed verdict is about these bytes, and says that they passed.

Pure but for the model's files, which are read: the clock and the trusted keys are passed in. The
order is that of trust: nothing of a statement is looked at before a trusted key's signature holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from xray_gate.core.errors import ScanError
from xray_gate.core.verdict import Verdict
from xray_gate.scan.digest import SINGLE_FILE, changes, digest_of, file_digests
from xray_gate.signing.dsse import opened
from xray_gate.signing.statement import Resource, Statement, read_statement, written_name
from xray_gate.signing.trust import TrustedKey
from xray_gate.signing.wire import CLOCK_SKEW, time_of, time_text

_MOST_NAMED = 5


class Fault(StrEnum):
    """Why an attestation does not hold. An `unsigned` one says nothing else."""

    UNSIGNED = "unsigned"
    MISMATCH = "mismatch"
    OLD = "old"


@dataclass(frozen=True)
class Finding:
    """One fault, in words."""

    fault: Fault
    text: str


@dataclass(frozen=True)
class Expected:
    """What an attestation has to say; what is None or empty is not asked.

    `policies`: digests (`sha256:...`), one of which has to be the policy's. `resource`: what the
    model was called, as `statement.escaped_uri` writes it.
    """

    policies: Sequence[str] = ()
    resource: str | None = None
    max_age: timedelta | None = None


@dataclass(frozen=True)
class Verification:
    """The answer: without findings the model is what was signed, and passed.

    `statement` and `key_id` are None where no trusted key signed.
    """

    findings: tuple[Finding, ...]
    statement: Statement | None = None
    key_id: str | None = None

    @property
    def holds(self) -> bool:
        """Whether everything was found as it has to be."""
        return not self.findings and self.statement is not None and self.key_id is not None


def verify(
    model: Path,
    envelope: bytes,
    trust: Mapping[str, TrustedKey],
    expected: Expected,
    now: datetime,
) -> Verification:
    """Check `envelope` and the files at `model` against it.

    Raises `InputError` for an envelope or a statement that cannot be read, and for a model that
    cannot.
    """
    read = opened(envelope, {key_id: trusted.key for key_id, trusted in trust.items()})
    if not read.key_ids:
        return _unsigned("no trusted key has signed it, or it was changed afterwards")
    statement = read_statement(read.payload)
    time = time_of(statement.predicate.timeVerified)
    valid = [key_id for key_id in read.key_ids if trust[key_id].was_valid_at(time)]
    if not valid:
        return _unsigned(
            f"the key {read.key_ids[0]} was not to be trusted at {time_text(time)}, when it signed"
        )
    findings = [
        *_age(time, now, expected.max_age),
        *_said(statement, expected),
        *_bytes(model, statement),
    ]
    return Verification(tuple(findings), statement, valid[0])


def _unsigned(why: str) -> Verification:
    return Verification((Finding(Fault.UNSIGNED, why),))


def _age(time: datetime, now: datetime, most: timedelta | None) -> list[Finding]:
    if time - now > CLOCK_SKEW:
        # Its age cannot be told, by this clock or by that one.
        return [Finding(Fault.OLD, f"it was signed at {time_text(time)}, which is not yet")]
    if most is not None and now - time > most:
        return [Finding(Fault.OLD, f"it was signed at {time_text(time)}, which is too long ago")]
    return []


def _said(statement: Statement, expected: Expected) -> list[Finding]:
    summary, found = statement.predicate, []
    if Verdict(summary.ours.verdict) is not Verdict.PASSED:
        reasons = "; ".join(summary.ours.reasons)
        found.append(f"the verdict is {summary.ours.verdict}: {reasons}")
    digest = f"sha256:{summary.policy.digest.sha256}"
    if expected.policies and digest not in expected.policies:
        found.append(f"another policy decided: {summary.policy.uri} ({digest})")
    if expected.resource is not None and summary.resourceUri != expected.resource:
        found.append(f"it is about {summary.resourceUri}, not {expected.resource}")
    return [Finding(Fault.MISMATCH, text) for text in found]


def _bytes(model: Path, statement: Statement) -> list[Finding]:
    try:
        files = file_digests(model)
    except ScanError as error:
        # A link, or the like: nothing of the kind was ever signed.
        return [Finding(Fault.MISMATCH, str(error))]
    same = digest_of(files) == statement.digest
    listing = statement.predicate.ours.files
    differences = [] if listing is None else list(_differences(files, listing))
    if same and not differences:
        return []
    if not differences:
        differences = [f"the bytes are not those that were signed ({statement.digest})"]
    return [Finding(Fault.MISMATCH, text) for text in differences]


def _differences(files: Mapping[str, str], listing: Sequence[Resource]) -> list[str]:
    here = {written_name(name): digest for name, digest in files.items()}
    signed = {item.name: f"sha256:{item.digest.sha256}" for item in listing}
    if (SINGLE_FILE in here) != (SINGLE_FILE in signed):
        return [
            "a folder was signed, this is a file"
            if SINGLE_FILE in here
            else "a file was signed, this is a folder"
        ]
    return [f"{kind}: {_named(names)}" for kind, names in changes(signed, here).items()]


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
