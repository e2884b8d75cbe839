"""The statement that is signed: in-toto v1 with SLSA's verification summary v1, and our own part.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
https://slsa.dev/spec/v1.0/verification_summary

The one subject is the model as a whole: files by themselves are no subjects, or a summary could be
shown for a file that many models share. A summary knows PASSED and FAILED only, so FAILED stands
for undecided, too, and for what warn or audit admit: the verdict itself is in our own part.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from xray_gate.core.errors import InputError
from xray_gate.core.model_ref import parse_model_ref
from xray_gate.core.verdict import Verdict
from xray_gate.signing.wire import HexDigest, Open, TimeText, parse

VERIFIER = "pkg:pypi/xray-gate"
EXTENSION = f"{VERIFIER}#verdict-v1"
"""The name of our own part; SLSA wants that of an extension to be a URI."""

PASSED, FAILED = "PASSED", "FAILED"
_LEVEL = "XRAY_GATE_PASSED"


class DigestSet(Open):
    """in-toto's digests; of a folder, sha256 is over every file's name and hash."""

    sha256: HexDigest


class Resource(Open):
    """A file of the model; its name is written as by `written_name`."""

    name: str
    digest: DigestSet


class PolicyUsed(Open):
    """The policy that decided."""

    uri: str
    digest: DigestSet


class Verifier(Open):
    """Who decided, and by which version."""

    id: Literal["pkg:pypi/xray-gate"] = "pkg:pypi/xray-gate"
    version: dict[str, str]


class OurPart(Open):
    """What a summary has no words for. `files` is None where they are too many to be listed."""

    verdict: Literal["passed", "failed", "undecided"]
    enforcement: Literal["enforce", "warn", "audit", "off"]
    reasons: list[str]
    files: list[Resource] | None
    scan: dict[str, Any]


class Summary(Open):
    """SLSA's verification summary."""

    verifier: Verifier
    timeVerified: TimeText  # noqa: N815 - SLSA's own name
    resourceUri: str  # noqa: N815
    policy: PolicyUsed
    verificationResult: Literal["PASSED", "FAILED"]  # noqa: N815
    verifiedLevels: list[str]  # noqa: N815
    ours: Annotated[OurPart, Field(alias=EXTENSION)]

    @model_validator(mode="after")
    def _passes_by_its_verdict_only(self) -> Self:
        if self.verificationResult != result_of(Verdict(self.ours.verdict)):
            raise ValueError("its result is not that of its verdict")
        return self


class Statement(Open):
    """The whole statement, about one model."""

    type: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")]
    subject: Annotated[list[Resource], Field(min_length=1, max_length=1)]
    predicateType: Literal["https://slsa.dev/verification_summary/v1"]  # noqa: N815
    predicate: Summary

    @property
    def digest(self) -> str:
        """The model's digest, as `sha256:...`."""
        return f"sha256:{self.subject[0].digest.sha256}"


def result_of(verdict: Verdict) -> str:
    """Only what passed is PASSED, whatever the policy's mode admits."""
    return PASSED if verdict is Verdict.PASSED else FAILED


def levels_of(verdict: Verdict) -> list[str]:
    """A level of our own: how the model was built is nothing that we look at."""
    return [_LEVEL if verdict is Verdict.PASSED else FAILED]


def read_statement(payload: bytes) -> Statement:
    """The statement in an envelope's payload; `InputError` when it is none of ours."""
    return parse(Statement, payload, "attestation's statement")


def resource_uri(ref: str) -> str:
    """What a summary calls the model that people call `ref`; of a path only its last part."""
    try:
        is_uri = parse_model_ref(ref).uri is not None
    except InputError:
        is_uri = True
    return escaped_uri(ref if is_uri else f"file:{Path(ref).absolute().name}")


def escaped_uri(text: str) -> str:
    """A URI of which no two texts share one: a % of the text is escaped as well."""
    return quote(text, safe="/:@", encoding="utf-8", errors="backslashreplace")


def written_name(name: str) -> str:
    """A file's name as text; bytes that are no UTF-8, and %, are written as in a URI."""
    return "".join(
        f"%{ord(char) & 0xFF:02X}" if char == "%" or 0xDC80 <= ord(char) <= 0xDCFF else char
        for char in name
    )
