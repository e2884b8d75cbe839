"""Files of private keys, which a runner is given."""

import base64
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fuzz.choosing import Choose, changed_bytes
from tests.fuzz.scratch import written
from tests.fuzz.telling import require
from tests.signing.making import KEY
from xray_gate.core.errors import InputError
from xray_gate.signing.key_folder import read_signing_key

WORDS = (
    *(b"-----BEGIN PRIVATE KEY-----\n", b"-----END PRIVATE KEY-----\n", b"MC4CAQAwBQYDK2VwBCIEI"),
    *(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n", b"-----BEGIN RSA PRIVATE KEY-----\n"),
    *(b"-----BEGIN OPENSSH PRIVATE KEY-----\n", b"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,"),
)


def target(data: bytes) -> None:
    """A key that is read signs, and its signature holds."""
    path = written("keys/signing.key", data)
    path.chmod(0o600)
    for passphrase in (None, b"secret"):
        try:
            key = read_signing_key(path, passphrase)
        except InputError as error:
            require(error)
            continue
        assert key.public.verifies(key.sign(b"message"), b"message")


def seeds() -> Mapping[str, bytes]:
    """Plain, and keys of other kinds.

    None is encrypted: how long that takes is what the file says, and it is the operator's own.
    """
    pem, form = Encoding.PEM, PrivateFormat
    large, other = rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256R1())
    return {
        "plain": KEY.pem(None),
        "rsa": large.private_bytes(pem, form.PKCS8, NoEncryption()),
        "traditional": large.private_bytes(pem, form.TraditionalOpenSSL, NoEncryption()),
        "ec": other.private_bytes(pem, form.PKCS8, NoEncryption()),
        "openssh": other.private_bytes(pem, form.OpenSSH, NoEncryption()),
    }


def mutate(data: bytes, choose: Choose) -> bytes:
    """Other bytes below the base64."""
    lines = data.split(b"\n")
    try:
        inner = base64.b64decode(b"".join(lines[1:-2]), validate=True)
    except ValueError:
        return changed_bytes(data, choose)
    text = base64.encodebytes(changed_bytes(inner, choose)).strip()
    return b"\n".join([lines[0], text, *lines[-2:]])
