"""The signing key and its passphrase, as options and variables name them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from xray_gate.core.errors import InputError, ScanError

if TYPE_CHECKING:
    from xray_gate.scan.work import ScanOutput, VerdictSigner

KEY_VARIABLE = "XRAY_GATE_SIGNING_KEY"
_LOCK_VARIABLE = "XRAY_GATE_KEY_PASSPHRASE"

Command = TypeVar("Command", bound=Callable[..., Any])


def passphrase_option(command: Command) -> Command:
    """`--passphrase-file`; a passphrase is never written on a command line."""
    option = click.option(
        "--passphrase-file",
        envvar=f"{_LOCK_VARIABLE}_FILE",
        type=click.Path(path_type=Path),
        help=f"Holds the passphrase of the private key. Or set {_LOCK_VARIABLE}.",
    )
    return option(command)


def passphrase(file: Path | None) -> bytes | None:
    """The passphrase that file or variable give, or None; the variable is then taken away.

    What is started later does not see it any more.
    """
    from xray_gate.signing.key_folder import passphrase_of

    found = passphrase_of(os.environ, _LOCK_VARIABLE, file)
    os.environ.pop(_LOCK_VARIABLE, None)
    return found


def signer(key: Path | None, passphrase_file: Path | None) -> "VerdictSigner | None":
    """What signs with the key in a file; None where no key was asked for."""
    if key is None:
        return None
    from xray_gate.wiring import running

    return running.verdict_signer(key, passphrase(passphrase_file))


def require_a_named_key() -> None:
    """Raise `InputError` where the variable is there and empty.

    Somebody wanted signatures then, and verdicts would be unsigned by accident.
    """
    if os.environ.get(KEY_VARIABLE) == "":
        raise InputError(f"{KEY_VARIABLE} is set, but names no file; name one, or unset it")


def require_unchanged(path: Path, output: "ScanOutput") -> None:
    """Raise `ScanError` where the files at `path` are not those any more that were scanned."""
    from xray_gate.scan.digest import file_digests

    if file_digests(path) != output.evidence.model.files:
        raise ScanError(f"{path}: was changed during the scan, so nothing is signed; scan it again")
