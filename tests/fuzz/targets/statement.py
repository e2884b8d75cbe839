"""Statements that a trusted key did sign: even its word is read strictly."""

import base64
import json
from collections.abc import Mapping

from tests.fuzz.choosing import Choose, changed_json
from tests.fuzz.targets import attestation
from tests.fuzz.telling import require
from tests.signing.making import KEY
from xray_gate.core.errors import InputError
from xray_gate.signing.dsse import sealed
from xray_gate.signing.statement import EXTENSION

WORDS = (
    *(b'"_type"', b'"subject"', b'"predicate"', b'"predicateType"', b'"timeVerified"', b'"PASSED"'),
    *(b'"FAILED"', b'"verdict":"passed"', b'"files":null', b'"digest":{"sha256":"', b"2026-11-22T"),
    *(EXTENSION.encode(), b"9999-12-31T23:59:59Z", b"0001-01-01T00:00:00Z", b"\\ud800"),
)


def target(data: bytes) -> None:
    """What holds says PASSED, in both places, of these bytes."""
    signed = attestation.signed()
    try:
        answer = signed.verified(envelope=sealed(data, KEY).encode())
    except InputError as error:
        require(error, "; give it unchanged")
        return
    if answer.holds:
        read, true = json.loads(data), json.loads(_payload(signed.envelope))
        assert read["predicate"]["verificationResult"] == "PASSED"
        assert read["predicate"][EXTENSION]["verdict"] == "passed"
        assert read["subject"][0]["digest"]["sha256"] == true["subject"][0]["digest"]["sha256"]


def seeds() -> Mapping[str, bytes]:
    """What is in the envelopes."""
    return {name: _payload(one.decode()) for name, one in attestation.seeds().items()}


def _payload(envelope: str) -> bytes:
    return base64.b64decode(json.loads(envelope)["payload"])


def mutate(data: bytes, choose: Choose) -> bytes:
    """Another tree."""
    words = ("PASSED", "passed", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "0" * 64)
    return changed_json(data, choose, words)
