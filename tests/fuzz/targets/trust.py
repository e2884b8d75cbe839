"""Which keys are trusted: trust.json, or a public key."""

import hashlib
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa, x25519

from tests.fuzz.choosing import Choose, changed_bytes, changed_json
from tests.fuzz.scratch import written
from tests.fuzz.telling import require
from tests.signing.making import KEY, NOW, OTHER_KEY, trusting
from xray_gate.core.errors import InputError
from xray_gate.core.strict_json import loads_strictly
from xray_gate.signing.trust import read_trust, trust_text

WORDS = (
    *(b'"format":"xray-gate/trust-v1"', b'"keys":[', b'"key_id":"', b'"public_key":"', b'"valid_'),
    *(b"-----BEGIN PUBLIC KEY-----\\n", b"-----END PUBLIC KEY-----\\n", b"9999-12-31T23:59:59Z"),
    *(b"-----BEGIN PUBLIC KEY-----\n", b"MCowBQYDK2VwAyEA", b"null"),
)


def target(data: bytes) -> None:
    """Every key that is trusted stands in the file as it is, and has the id of its bytes."""
    path = written("trust/trust.json", data)
    try:
        found = read_trust(path)
    except InputError as error:
        require(error)
        return
    if data.startswith(b"-----BEGIN"):
        assert [one.key.pem() for one in found.values()] == [data]
        return
    listed = {item["key_id"]: item["public_key"] for item in loads_strictly(data)["keys"]}
    assert {key: one.key.pem().decode() for key, one in found.items()} == listed
    for key, one in found.items():
        public = serialization.load_pem_public_key(one.key.pem())
        der = public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        assert hashlib.sha256(der).hexdigest() == key
        for time in (one.valid_from, one.valid_until):
            assert time is None or time.tzinfo is not None
        assert one.was_valid_at(NOW) in (True, False)


def seeds() -> Mapping[str, bytes]:
    """One key and two, with limits and without, and public keys of every kind."""
    both = trusting(KEY, valid_from=NOW) | trusting(OTHER_KEY, valid_until=NOW)
    others: dict[str, Any] = {
        "rsa": rsa.generate_private_key(65537, 1024),
        "ec": ec.generate_private_key(ec.SECP256R1()),
        "dsa": dsa.generate_private_key(1024),
        "ed448": ed448.Ed448PrivateKey.generate(),
        "x25519": x25519.X25519PrivateKey.generate(),
    }
    pem, info = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return {
        "one": trust_text([*trusting(KEY).values()]).encode(),
        "both": trust_text([*both.values()]).encode(),
        "pem": KEY.public.pem(),
        **{name: key.public_key().public_bytes(pem, info) for name, key in others.items()},
    }


def mutate(data: bytes, choose: Choose) -> bytes:
    """Another tree, or other bytes of a key."""
    if data.startswith(b"{"):
        words = (KEY.public.key_id, KEY.public.pem().decode(), "9999-12-31T23:59:59Z")
        return changed_json(data, choose, words)
    return changed_bytes(data, choose)
