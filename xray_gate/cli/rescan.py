"""`xray-gate rescan NAME/VERSION`: puts a refused version into the queue again."""

import click

from xray_gate.cli.account import account
from xray_gate.cli.exit_codes import ExitCode
from xray_gate.cli.foreign import one_line
from xray_gate.cli.logs import say
from xray_gate.cli.registry_option import registry_option
from xray_gate.cli.status import split_target
from xray_gate.core.errors import InputError
from xray_gate.scan.work import VersionKey


@click.command()
@click.argument("target", metavar="[NAME/VERSION]", required=False)
@click.option("--dead-letters", is_flag=True, help="All that runners have given up.")
@registry_option
@click.option("--workspace", default="default", show_default=True)
def rescan(target: str | None, dead_letters: bool, registry_uri: str | None, workspace: str) -> int:
    """Let a version that was refused, or that runners gave up, be scanned once more.

    A scan follows its seed: the same files under the same policy and probes end as before. Use it
    when a store that was away is back, or when policy, probes or calibration are others.
    """
    from xray_gate.wiring import acting, reading

    if registry_uri is None:
        raise InputError("rescan writes to the registry's database: give --registry-uri")
    if (target is None) != dead_letters:
        raise InputError("name one version, as in NAME/3, or give --dead-letters; not both")
    if target is None:
        keys = reading.dead_letters(registry_uri, workspace)
    else:
        name, version = split_target(target)
        if version is None:
            raise InputError(f"{target}: name one version, as in {name}/3")
        keys = [VersionKey(workspace, name, version)]
    failed = False
    for key in keys:
        try:
            acting.rescan_version(registry_uri, key, account())
        except InputError as error:
            if target is not None:
                raise
            # One that is gone must not keep the others from being scanned.
            say(one_line(f"error: {error}"))
            failed = True
            continue
        click.echo(one_line(f"{key}: waits for a scan"))
    if not keys:
        click.echo("no version was given up")
    return int(ExitCode.USAGE if failed else ExitCode.PASSED)
