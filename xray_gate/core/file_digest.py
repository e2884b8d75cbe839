"""Digests of files as they lie on disk."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


def file_digest(path: Path) -> str:
    """`sha256:` and the hash of a file's bytes, whatever its name; raises OSError."""
    return f"sha256:{_hash(path)}"


def folder_digest(files: Iterable[tuple[str, Path]]) -> str:
    """`sha256:` and a hash over each file's name and bytes, in this order; raises OSError.

    Read one after the other and in pieces, so neither need fit into memory.
    """
    return listing_digest((name, file_digest(path)) for name, path in files)


def listing_digest(files: Iterable[tuple[str, str]]) -> str:
    """The same of names and the files' own digests, as `file_digest` gives them."""
    total = hashlib.sha256()
    for name, digest in files:
        # The length keeps one name from running into the next.
        encoded = os.fsencode(name)
        hexadecimal = digest.removeprefix("sha256:").encode()
        total.update(b"%d:%b:%b\n" % (len(encoded), encoded, hexadecimal))
    return f"sha256:{total.hexdigest()}"


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
