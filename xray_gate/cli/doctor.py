"""`xray-gate doctor`: whether everything stands that the gate's promises rest on."""

import json

import click

from xray_gate.cli.exit_codes import ExitCode
from xray_gate.cli.foreign import one_line
from xray_gate.cli.registry_option import registry_option
from xray_gate.core.errors import InputError

_SHOWN = 20


@click.command()
@registry_option
@click.option("--server", metavar="URL", help="Also ask the MLflow server at this http:// address.")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text")
def doctor(registry_uri: str | None, server: str | None, output_format: str) -> int:
    """Ask each thing that must hold; ends 0 when all is well, 1 when something is wrong.

    \b
    database     it can be reached and holds a registry
    schema       the ledger's tables are those of this release
    triggers     the triggers of `xray-gate install` are there, unchanged
    trial        and refuse: tried under a random name, in a transaction that is rolled back
    runner       one was seen in the last 90 seconds
    queue        how many versions wait, since when, could not be scanned, or were given up
    promoted     nothing is READY, in a stage or under an alias without an admission
    exceptions   nothing is promoted on an exception that does not count any more
    break-glass  every break-glass was reviewed
    coverage     how many versions, and how many of those that are promoted, were scanned
    server       with --server: its registry answers, and answers through the gate

    The server is asked for one registered model, and to delete a tag of the gate's from a model
    that does not exist, which the gate refuses in words of its own. None of this leaves a trace.
    Where the server asks who one is, sign in as an administrator of its: MLFLOW_TRACKING_USERNAME
    and MLFLOW_TRACKING_PASSWORD.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from xray_gate.cli.examination import examine
    from xray_gate.cli.finding import Finding, Outcome

    if registry_uri is None:
        raise InputError("doctor reads the registry's database: give --registry-uri xray-gate+...")
    if server is not None and not server.startswith(("http://", "https://")):
        raise InputError(f"{server}: give the server's http:// address as --server")
    found: list[Finding] = []
    for finding in examine(registry_uri, server):
        found.append(finding)
        if output_format == "text":
            click.echo(_text(finding.check, finding.outcome, finding.text, finding.details))
    healthy = all(finding.outcome is Outcome.OK for finding in found)
    if output_format == "json":
        checks = [
            {"check": f.check, "outcome": f.outcome, "text": f.text, "details": f.details}
            for f in found
        ]
        click.echo(json.dumps({"healthy": healthy, "checks": checks}, indent=2))
    return int(ExitCode.PASSED if healthy else ExitCode.FAILED)


def _text(check: str, outcome: str, text: str, details: list[str]) -> str:
    lines = [f"{outcome:<8}{check:<13}{text}"]
    lines += [f"{'':21}{detail}" for detail in details[:_SHOWN]]
    if len(details) > _SHOWN:
        lines.append(f"{'':21}and {len(details) - _SHOWN} more; --format json lists all")
    return "\n".join(map(one_line, lines))
