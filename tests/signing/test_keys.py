import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.signing.making import KEY, OTHER_KEY
from xray_gate.core.errors import InputError
from xray_gate.signing.keys import PublicKey, SigningKey


def elliptic() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_a_signature_is_of_one_key_and_one_message() -> None:
    signature = KEY.sign(b"message")
    assert KEY.public.verifies(signature, b"message")
    assert not KEY.public.verifies(signature, b"messages")
    assert not OTHER_KEY.public.verifies(signature, b"message")
    assert not KEY.public.verifies(b"", b"message")


def test_every_changed_bit_of_a_signature_shows() -> None:
    signature = KEY.sign(b"message")
    for bit in range(8 * len(signature)):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert not KEY.public.verifies(bytes(changed), b"message")


def test_the_key_id_is_the_hash_of_what_the_pem_file_holds() -> None:
    der = base64.b64decode(b"".join(KEY.public.pem().splitlines()[1:-1]))
    assert KEY.public.key_id == hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize("passphrase", [None, b"open sesame", "schlüssel".encode()])
def test_a_private_key_is_read_back(passphrase: bytes | None) -> None:
    pem = KEY.pem(passphrase)
    assert SigningKey.from_pem(pem, passphrase).public.key_id == KEY.public.key_id
    assert (b"ENCRYPTED" in pem) == (passphrase is not None)


@pytest.mark.parametrize(
    ("written", "given", "said"),
    [
        (b"right", b"wrong", "no private key, or the passphrase is wrong"),
        (b"right", None, "it is encrypted, and there is no passphrase; set XRAY_GATE_KEY_PASSPH"),
        (None, b"any", "it is not encrypted, but a passphrase is given; unset that"),
    ],
)
def test_a_passphrase_has_to_be_the_right_one(
    written: bytes | None, given: bytes | None, said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        SigningKey.from_pem(KEY.pem(written), given)
    assert "right" not in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_other_kinds_of_keys_are_refused() -> None:
    private = elliptic().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(InputError, match="the signing key is not of the kind Ed25519"):
        SigningKey.from_pem(private, None)
    public = elliptic().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(InputError, match="the public key is not of the kind Ed25519"):
        PublicKey.from_pem(public)


def test_no_changed_byte_of_a_public_key_reads_as_the_same_key() -> None:
    pem = KEY.public.pem()
    for place in range(len(pem)):
        changed = pem[:place] + bytes([pem[place] ^ 1]) + pem[place + 1 :]
        try:
            key_id = PublicKey.from_pem(changed).key_id
        except InputError:
            continue
        assert key_id != KEY.public.key_id
    with pytest.raises(InputError, match="more in its file than the key"):
        PublicKey.from_pem(pem + b"\n")


def test_a_key_does_not_show_itself() -> None:
    secret = KEY.pem(None).splitlines()[1].decode()
    assert secret not in repr(KEY) + str(KEY) + repr(vars(KEY))
