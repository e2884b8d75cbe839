"""`xray-gate adopt`: a registry with a history, and what is to be done about it."""

import json
from pathlib import Path

import click

from xray_gate.cli.account import account
from xray_gate.cli.registry_option import registry_option
from xray_gate.core.errors import InputError
from xray_gate.policy.exception_drafts import Draft


@click.command()
@registry_option
@click.option("--workspace", default="default", show_default=True)
@click.option(
    "--queue", "put_in_queue", is_flag=True, help="Let what was never scanned wait for a scan."
)
@click.option(
    "--write-exceptions",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write drafts of exceptions for what is promoted and would be refused.",
)
@click.option("--days", type=click.IntRange(1, 366), help="How long those exceptions last.")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text")
def adopt(
    registry_uri: str | None,
    workspace: str,
    put_in_queue: bool,
    folder: Path | None,
    days: int | None,
    output_format: str,
) -> int:
    """Say what stands in a registry that is older than the gate; changes nothing by itself.

    With --queue, versions that are READY and were never scanned wait for a scan, those that are
    promoted first. They keep their status, aliases and stages until their verdict. Whether their
    files are handed out meanwhile is the policy's `unsafe_allow_unscanned_reads`, as for every
    version without a verdict; one whose name has no policy is left alone.

    Begin with `enforcement: audit`, so that a verdict takes nothing away; restart the server after
    that change, since runners go by the policies that it wrote down last. When all is scanned,
    `xray-gate policy replay POLICIES --as-enforced` says what would be refused, and
    --write-exceptions drafts what would let it stay for some days. Prompts are no models.
    """
    from xray_gate.cli.adoption import adoption_json, adoption_text
    from xray_gate.wiring import adopting

    if registry_uri is None:
        raise InputError("adopt reads the registry's database: give --registry-uri xray-gate+...")
    if (folder is None) != (days is None):
        raise InputError("exceptions end: give --write-exceptions DIR together with --days")
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder}: is no folder; name the one that the policies lie in")
    found = adopting.adopt(registry_uri, workspace, account(), put_in_queue=put_in_queue)
    written: list[Path] | None = None
    if folder is not None and days is not None:
        written = _write(folder, adopting.draft_exceptions(registry_uri, workspace, days))
    if output_format == "json":
        click.echo(json.dumps(adoption_json(found, written), indent=2))
    else:
        click.echo(adoption_text(found, written))
    return 0


def _write(folder: Path, found: list[Draft]) -> list[Path]:
    written = []
    for draft in found:
        path = folder / draft.file_name
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(draft.text)
        except FileExistsError:
            # Somebody is filling it in.
            continue
        except OSError as error:
            raise InputError(
                f"{path}: cannot be written ({error.strerror}); name another folder"
            ) from error
        written.append(path)
    return written
