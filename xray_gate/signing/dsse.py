"""DSSE envelopes: a payload with signatures over it (github.com/secure-systems-lab/dsse, v1.0).

Read more strictly than DSSE asks: base64 in one spelling, a key id with each signature and no
further fields. So no byte of an envelope that we wrote can be changed unnoticed.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from xray_gate.core.errors import InputError
from xray_gate.signing.keys import PublicKey, SigningKey
from xray_gate.signing.wire import Closed, parse

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MOST_BYTES = 8 * 2**20
"""Of an envelope that is read."""


class _Signature(Closed):
    keyid: Annotated[str, Field(max_length=200)]
    sig: Annotated[str, Field(max_length=1000)]


class _Envelope(Closed):
    payload: str
    payloadType: str  # noqa: N815 - DSSE's own name
    signatures: Annotated[list[_Signature], Field(max_length=16)]


@dataclass(frozen=True)
class Opened:
    """A payload, and the ids of the keys whose signatures over it hold; none: believe nothing."""

    payload: bytes
    key_ids: tuple[str, ...]


def sealed(payload: bytes, key: SigningKey) -> str:
    """The envelope of an in-toto statement with one signature, as JSON without white space."""
    signature = key.sign(_encoded(PAYLOAD_TYPE, payload))
    envelope = {
        "payload": _base64(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": key.public.key_id, "sig": _base64(signature)}],
    }
    return json.dumps(envelope, separators=(",", ":"))


def opened(envelope: bytes, keys: Mapping[str, PublicKey]) -> Opened:
    """The payload, and which of `keys` (by their ids) signed it.

    Raises `InputError` for what is no envelope of an in-toto statement.
    """
    read = parse(_Envelope, envelope, "attestation")
    if read.payloadType != PAYLOAD_TYPE:
        raise InputError(
            f"the attestation holds {read.payloadType[:100]!r}; give one with {PAYLOAD_TYPE!r}"
        )
    payload = _bytes(read.payload)
    message = _encoded(read.payloadType, payload)
    signatures = [(item.keyid, _bytes(item.sig)) for item in read.signatures]
    holding = {
        key_id
        for key_id, signature in signatures
        if key_id in keys and keys[key_id].verifies(signature, message)
    }
    return Opened(payload, tuple(sorted(holding)))


def _encoded(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding, which is what is signed."""
    name = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"the attestation is malformed: {error}; give it unchanged") from error
    # The last digit may have bits that no reader looks at.
    if _base64(data) != text:
        raise InputError("the attestation is malformed: odd base64; give it unchanged")
    return data
