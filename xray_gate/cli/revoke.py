"""`xray-gate revoke NAME/VERSION`: withdraws an admission."""

import json

import click

from xray_gate.cli.account import account
from xray_gate.cli.foreign import one_line
from xray_gate.cli.registry_option import registry_option
from xray_gate.cli.status import split_target
from xray_gate.core.errors import InputError
from xray_gate.scan.work import VersionKey


@click.command()
@click.argument("target", metavar="NAME/VERSION")
@click.option("--reason", required=True, help="Why; it is shown wherever the version is refused.")
@click.option("--by", default=None, help="Who withdraws it (default: who runs this command).")
@registry_option
@click.option("--workspace", default="default", show_default=True)
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text")
def revoke(
    target: str,
    reason: str,
    by: str | None,
    registry_uri: str | None,
    workspace: str,
    output_format: str,
) -> int:
    """Withdraw the admission of a version's bytes, wherever they are registered.

    Nothing is taken out of production: aliases and stages stay, and are listed. But the files are
    no longer handed out by the registry, and the same bytes are refused when they come again.
    """
    from xray_gate.wiring import acting

    if registry_uri is None:
        raise InputError("revoke writes to the registry's database: give --registry-uri")
    name, version = split_target(target)
    if version is None:
        raise InputError(f"{target}: name one version, as in {name}/3")
    if not reason.strip():
        raise InputError("--reason is empty; say why, for those who meet the refusal")
    key = VersionKey(workspace, name, version)
    revocation, found = acting.revoke_version(registry_uri, key, reason, by or account())
    if output_format == "json":
        versions = [
            {
                "workspace": one.key.workspace,
                "name": one.key.name,
                "version": one.key.version,
                "aliases": list(one.aliases),
                "stage": one.stage,
            }
            for one in found
        ]
        click.echo(json.dumps({"digest": revocation.digest, "versions": versions}, indent=2))
        return 0
    lines = [f"withdrawn: {revocation.digest}"]
    for one in found:
        held = [f"alias {alias}" for alias in one.aliases]
        held += [f"stage {one.stage}"] if one.stage else []
        still = f"; still promoted: {', '.join(held)}" if held else ""
        lines.append(f"  {one.key}{still}")
    click.echo("\n".join(map(one_line, lines)))
    return 0
