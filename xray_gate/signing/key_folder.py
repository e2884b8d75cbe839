"""The folder of a signing key: `signing.key`, `signing.pub` and `trust.json`.

`trust.json` keeps the public keys of all times, and is what machines that verify are given. The
private key leaves the folder at a rotation.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from xray_gate.core.errors import InputError
from xray_gate.signing.keys import SigningKey
from xray_gate.signing.trust import TrustedKey, read_trust, trust_text
from xray_gate.signing.wire import read_bytes

PRIVATE, PUBLIC, TRUST = "signing.key", "signing.pub", "trust.json"
_MOST_BYTES = 2**16


def new_key(folder: Path, passphrase: bytes | None, now: datetime) -> str:
    """Make `folder` with a key that is valid from `now`; its id.

    Raises `InputError` inside a git work tree, and where there is a key already.
    """
    key = SigningKey.generate()
    try:
        _require_no_repository(folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any((folder / name).exists() for name in (PRIVATE, TRUST)):
            raise InputError(
                f"{folder}: holds a key already; replace it with `xray-gate keys rotate`"
            )
        _place(folder, key, [TrustedKey(key.public, now)], passphrase)
    except OSError as error:
        raise _cannot_be_written(folder, error) from error
    return key.public.key_id


def rotate_key(folder: Path, passphrase: bytes | None, now: datetime, overlap: timedelta) -> str:
    """Replace the private key by a new one; the new one's id.

    Old public keys stay trusted for what was signed until `now` + `overlap`, in which runners that
    hold the old key are to be started again.
    """
    key = SigningKey.generate()
    try:
        _require_no_repository(folder)
        if not (folder / PRIVATE).is_file():
            raise InputError(f"{folder}: holds no {PRIVATE}; make one with `xray-gate keys new`")
        kept = [_ended(trusted, now + overlap) for trusted in read_trust(folder / TRUST).values()]
        _place(folder, key, [*kept, TrustedKey(key.public, now)], passphrase)
    except OSError as error:
        raise _cannot_be_written(folder, error) from error
    return key.public.key_id


def read_signing_key(path: Path, passphrase: bytes | None) -> SigningKey:
    """The private key in a file; `InputError` for one that others on the machine can read."""
    content = read_bytes(path, _MOST_BYTES, "signing key")
    if path.stat().st_mode & 0o007:
        raise InputError(
            f"{path}: everybody on this machine may use the signing key; chmod 600 it (for a "
            "mounted secret: defaultMode 0400)"
        )
    return SigningKey.from_pem(content, passphrase)


def passphrase_of(environment: Mapping[str, str], variable: str, file: Path | None) -> bytes | None:
    """The passphrase in a variable or in a file's first line, or None; `InputError` for both."""
    given = environment.get(variable)
    if given is not None and file is not None:
        raise InputError(f"there are two passphrases; unset {variable} or leave the file out")
    text = given.encode("utf-8", "surrogateescape") if given is not None else None
    if file is not None:
        text = read_bytes(file, _MOST_BYTES, "passphrase's file").partition(b"\n")[0]
        text = text.removesuffix(b"\r")
    if text == b"":
        raise InputError("the passphrase is empty; give one, or none at all")
    return text


def _place(
    folder: Path, key: SigningKey, trusted: list[TrustedKey], passphrase: bytes | None
) -> None:
    draft = folder / f".{PRIVATE}.part"
    # Made before anything else, and by one process only: nobody else rotates meanwhile.
    _write(draft, key.pem(passphrase), 0o600)
    try:
        # Trusted first: what the new key signs holds from its first instant.
        _replace(folder / TRUST, trust_text(trusted).encode())
        _replace(folder / PUBLIC, key.public.pem())
        draft.replace(folder / PRIVATE)
    finally:
        draft.unlink(missing_ok=True)


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.part")
    with suppress(FileNotFoundError):
        draft.unlink()
    _write(draft, content, 0o644)
    draft.replace(path)


def _write(path: Path, content: bytes, mode: int) -> None:
    # Exclusive: never into a file, or through a link, that somebody has put there.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _ended(trusted: TrustedKey, until: datetime) -> TrustedKey:
    if trusted.valid_until is not None and trusted.valid_until <= until:
        return trusted
    return replace(trusted, valid_until=until)


def _require_no_repository(folder: Path) -> None:
    place = folder.resolve()
    for parent in (place, *place.parents):
        if (parent / ".git").exists():
            raise InputError(
                f"{folder}: lies in the git work tree {parent}, and a private key must not end in "
                "a repository; name a folder outside of it"
            )


def _cannot_be_written(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"{folder}: the key cannot be written there ({error.strerror}); name another folder, or "
        "remove what an interrupted command left there"
    )
