"""`xray-gate status [NAME[/VERSION]]`: what the ledger knows."""

import json
import time
from pathlib import Path
from typing import Any

import click

from xray_gate.cli.broken_glass import break_glass_lines
from xray_gate.cli.foreign import one_line
from xray_gate.cli.registry_option import registry_option
from xray_gate.core.errors import InputError
from xray_gate.core.printable import printable
from xray_gate.core.verdict import Excuse, excuses_text
from xray_gate.scan.work import VersionKey, VersionState


@click.command()
@click.argument("target", metavar="[NAME[/VERSION]]", required=False)
@registry_option
@click.option("--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="For links to reports.")
@click.option("--workspace", default="default", show_default=True)
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--attestation",
    type=click.Path(path_type=Path),
    help="Write the signed verdict of one version to this file, for `xray-gate verify`.",
)
def status(
    target: str | None,
    registry_uri: str | None,
    tracking_uri: str | None,
    workspace: str,
    output_format: str,
    attestation: Path | None,
) -> int:
    """Show verdict, reasons and report of one version, or of every version of a name.

    Without a name: what waits for a scan, what runners have given up, and what was promoted, or may
    be, by a break-glass that nobody has reviewed.
    """
    from xray_gate.wiring import reading

    if registry_uri is None:
        raise InputError("status reads the registry's database: give --registry-uri xray-gate+...")
    name, version = ("", None) if target is None else split_target(target)
    if attestation is not None:
        _write_attestation(attestation, registry_uri, workspace, name, version)
    if target is None:
        rows = reading.read_open_work(registry_uri, workspace)
    else:
        rows = reading.read_status(registry_uri, workspace, name, version)
    if target is not None and not rows:
        raise InputError(
            f"{target}: the gate has seen no such version; check the name, or register it again "
            "if it is older than the gate"
        )
    if output_format == "json":
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo("no version waits for a scan, none was given up, and nothing is to be reviewed")
    else:
        click.echo("\n\n".join(_text(row, tracking_uri) for row in rows))
    return 0


def _write_attestation(
    path: Path, registry_uri: str, workspace: str, name: str, version: int | None
) -> None:
    from xray_gate.wiring import reading

    if version is None:
        raise InputError("a signed verdict is that of one version; name NAME/VERSION")
    signed = reading.read_attestation(registry_uri, workspace, name, version)
    if signed is None:
        raise InputError(
            f"{name}/{version}: no runner has signed a verdict on it; start runners with "
            "--signing-key, and register it again"
        )
    try:
        path.write_text(signed)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); name another file"
        ) from error


def split_target(target: str) -> tuple[str, int | None]:
    """NAME/VERSION taken apart; the version is None where there is none."""
    name, _, version = target.rpartition("/")
    if name and version.isdigit():
        return name, int(version)
    return target, None


def _text(row: dict[str, Any], tracking_uri: str | None) -> str:
    key = VersionKey(row["workspace"], row["name"], row["version"])
    lines = [f"{key}  {row['state'].replace('_', ' ')}"]
    if row["state"] == VersionState.WAITING:
        lines += _waiting(row)
    if row["state"] == VersionState.UNSCANNED:
        lines.append(f"  next      xray-gate rescan {key.arguments}, to have it scanned")
    if row["verdict"] is not None:
        lines += _judged(row, key, tracking_uri)
    return "\n".join(map(one_line, [*lines, *_break_glass(row)]))


def _judged(row: dict[str, Any], key: VersionKey, tracking_uri: str | None) -> list[str]:
    lines = [f"  verdict   {row['verdict']} (policy {row['policy']})"]
    lines += [f"  reason    {reason}" for reason in row["reasons"]]
    lines += _exceptions(row["exceptions"])
    if row["digest"]:
        lines.append(f"  digest    {row['digest']}")
    if row["run_id"]:
        place = f"{tracking_uri.rstrip('/')}/#/runs/" if tracking_uri else "MLflow run "
        lines.append(f"  report    {place}{row['run_id']} (artifact report.html)")
    if row["state"] == VersionState.DEAD_LETTER:
        lines.append(f"  next      xray-gate rescan {key.name}/{key.version}, when that is mended")
    return lines


def _break_glass(row: dict[str, Any]) -> list[str]:
    return [f"  {line}" for one in row["break_glass"] for line in break_glass_lines(one)]


def _exceptions(rows: list[dict[str, Any]]) -> list[str]:
    excuses = [Excuse(**row) for row in rows]
    if not excuses:
        return []
    return [
        f"  exception {excuses_text(excuses, time.time())}",
        *(
            f"            {printable(f'{one.name}: {one.rule}, ticket {one.ticket}')}"
            for one in excuses
        ),
    ]


def _waiting(row: dict[str, Any]) -> list[str]:
    lines = ["  no verdict yet; a runner scans it when one is free"]
    if row["failure"]:
        lines = [f"  failed    {row['failure']} (try {row['attempts']})"]
    if row["retry_at"]:
        lines.append(f"  next try  {row['retry_at']}")
    return lines
