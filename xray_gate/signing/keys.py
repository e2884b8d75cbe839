"""Ed25519 keys: made, written as PEM, read back. A private key is never shown or logged."""

import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from xray_gate.core.errors import InputError


class PublicKey:
    """Checks signatures. `key_id` is the sha256 of the key (DER, SubjectPublicKeyInfo), in hex."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.key_id = hashlib.sha256(der).hexdigest()

    @classmethod
    def from_pem(cls, pem: bytes) -> "PublicKey":
        """Read what `pem` wrote, to the byte; `InputError` for anything else."""
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise InputError(
                f"the public key cannot be read ({error}); give one that `keys new` made"
            ) from error
        if not isinstance(key, Ed25519PublicKey):
            raise InputError("the public key is not of the kind Ed25519; make one by `keys new`")
        public = cls(key)
        if public.pem() != pem:
            raise InputError("the public key has more in its file than the key; give it unchanged")
        return public

    def pem(self) -> bytes:
        """SubjectPublicKeyInfo as PEM."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether this key's owner signed `message`."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """Signs. Only `pem` gives the secret away."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    @classmethod
    def generate(cls) -> "SigningKey":
        """A new key, by the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes, passphrase: bytes | None) -> "SigningKey":
        """Read what `pem` wrote; `InputError` for a wrong passphrase, or one too many or few."""
        try:
            key = load_pem_private_key(pem, passphrase)
        except TypeError as error:
            # The library's word for a passphrase that is missing, or that nothing asked for.
            why = (
                "it is encrypted, and there is no passphrase; set XRAY_GATE_KEY_PASSPHRASE or name "
                "a file with --passphrase-file"
                if passphrase is None
                else "it is not encrypted, but a passphrase is given; unset that"
            )
            raise InputError(f"the signing key cannot be read: {why}") from error
        except (ValueError, UnsupportedAlgorithm) as error:
            also = "" if passphrase is None else ", or the passphrase is wrong"
            raise InputError(
                f"the signing key cannot be read: it is no private key{also}; give the one that "
                "`keys new` made"
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise InputError("the signing key is not of the kind Ed25519; make one by `keys new`")
        return cls(key)

    def pem(self, passphrase: bytes | None) -> bytes:
        """PKCS#8 as PEM, encrypted where there is a passphrase."""
        encryption: KeySerializationEncryption = NoEncryption()
        if passphrase is not None:
            encryption = BestAvailableEncryption(passphrase)
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    def sign(self, message: bytes) -> bytes:
        """A signature of 64 bytes."""
        return self._key.sign(message)
