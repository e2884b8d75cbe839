"""`xray-gate keys`: makes and replaces the key that verdicts are signed with."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from xray_gate.cli.signing_key import passphrase, passphrase_option

_OUT = click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The key's folder: signing.key, signing.pub, trust.json. In no git work tree.",
)


@click.group()
def keys() -> None:
    """Make and replace the key that verdicts are signed with."""


@keys.command()
@_OUT
@passphrase_option
def new(out: Path, passphrase_file: Path | None) -> int:
    """Make a key. Give trust.json to every machine that verifies, signing.key to runners only."""
    from xray_gate.signing.key_folder import new_key

    click.echo(new_key(out, passphrase(passphrase_file), datetime.now(UTC)))
    click.echo(f"made {out}: signing.key, signing.pub, trust.json", err=True)
    return 0


@keys.command()
@_OUT
@passphrase_option
@click.option(
    "--overlap",
    default="1d",
    show_default=True,
    help="How long the old key's signatures still count: start runners again within it.",
)
def rotate(out: Path, passphrase_file: Path | None, overlap: str) -> int:
    """Replace the key by a new one. What the old one signed stays valid.

    A key that others may have seen is no case for this: take its entry out of every trust.json.
    """
    from xray_gate.signing.key_folder import rotate_key
    from xray_gate.signing.wire import duration_of

    duration = duration_of(overlap)
    click.echo(rotate_key(out, passphrase(passphrase_file), datetime.now(UTC), duration))
    click.echo(f"renewed {out}: give its trust.json to every machine that verifies", err=True)
    return 0


@keys.command("list")
@click.argument("trust", type=click.Path(path_type=Path))
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text")
def list_keys(trust: Path, output_format: str) -> int:
    """List the public keys of TRUST, a trust file or a folder, and the time of each."""
    from xray_gate.signing.trust import read_trust
    from xray_gate.signing.wire import time_text

    rows: list[dict[str, Any]] = [
        {
            "key_id": key_id,
            "valid_from": trusted.valid_from and time_text(trusted.valid_from),
            "valid_until": trusted.valid_until and time_text(trusted.valid_until),
        }
        for key_id, trusted in read_trust(trust).items()
    ]
    if output_format == "json":
        click.echo(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        since, until = row["valid_from"] or "always", row["valid_until"] or "further notice"
        click.echo(f"{row['key_id']}  from {since} until {until}")
    return 0
