"""`xray-gate break-glass NAME/VERSION`: one promotion past the verdict, and its review."""

import json

import click

from xray_gate.cli.account import account
from xray_gate.cli.broken_glass import break_glass_lines
from xray_gate.cli.registry_option import registry_option
from xray_gate.cli.status import split_target
from xray_gate.core.errors import InputError
from xray_gate.scan.work import Promotion, VersionKey


@click.command("break-glass")
@click.argument("target", metavar="NAME/VERSION", required=False)
@click.option("--alias", help="The alias that the version may be given.")
@click.option("--stage", help="The stage that the version may be moved to.")
@click.option("--justification", help="Why it cannot wait; whoever reviews it reads this.")
@click.option("--ticket", help="Where it is followed up.")
@click.option("--review", "number", type=int, metavar="ID", help="Review one, by its number.")
@click.option("--note", help="With --review: what came of it.")
@click.option("--by", help="Who lets it through (default: who runs this command), or reviews it.")
@registry_option
@click.option("--workspace", default="default", show_default=True)
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text")
def break_glass(
    target: str | None,
    alias: str | None,
    stage: str | None,
    justification: str | None,
    ticket: str | None,
    number: int | None,
    note: str | None,
    by: str | None,
    registry_uri: str | None,
    workspace: str,
    output_format: str,
) -> int:
    """Let one promotion of one version through although nothing admits it.

    Only where the policy has `break_glass`, for as many minutes as it says, once, and for the
    bytes that were scanned. Nothing is promoted by this command: set the alias, or the stage, as
    always. It is shown by `status` and `doctor` until somebody else has reviewed it:

        xray-gate break-glass --review ID --by NAME --note TEXT
    """
    from xray_gate.wiring import acting

    if registry_uri is None:
        raise InputError("break-glass writes to the registry's database: give --registry-uri")
    if number is not None:
        _refuse_others(target=target, alias=alias, stage=stage, justification=justification)
        if not by or note is None:
            raise InputError("a review is signed and says something: give --by and --note")
        found = acting.review_broken_glass(registry_uri, number, note, by)
    else:
        key, promotion = _asked(target, workspace, alias, stage)
        if justification is None:
            raise InputError("give --justification: why it cannot wait for a version that passes")
        found = acting.break_glass(
            registry_uri, key, promotion, justification, by or account(), ticket
        )
    if output_format == "json":
        click.echo(json.dumps(found.to_json(), indent=2))
    else:
        click.echo("\n".join(break_glass_lines(found.to_json())))
    return 0


def _refuse_others(**given: str | None) -> None:
    named = [name for name, value in given.items() if value is not None]
    if named:
        raise InputError(f"--review takes --by and --note only; leave {', '.join(named)} out")


def _asked(
    target: str | None, workspace: str, alias: str | None, stage: str | None
) -> tuple[VersionKey, Promotion]:
    if target is None:
        raise InputError("name the version, as in signs/3, or one to --review by its number")
    name, version = split_target(target)
    if version is None:
        raise InputError(f"{target}: name one version, as in {name}/3")
    if (alias is None) == (stage is None):
        raise InputError("name the one promotion that is meant: --alias or --stage")
    promotion = Promotion("stage", stage) if stage else Promotion("alias", alias or "")
    return VersionKey(workspace, name, version), promotion
