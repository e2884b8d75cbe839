"""`xray-gate log [NAME[/VERSION]]`: the audit log, and whether it is whole."""

import re
from datetime import UTC, datetime
from pathlib import Path

import click

from xray_gate.cli.exit_codes import ExitCode
from xray_gate.cli.log_text import line_text
from xray_gate.cli.registry_option import registry_option
from xray_gate.cli.status import split_target
from xray_gate.core.audit_chain import Head
from xray_gate.core.audit_file import check_exported, exported
from xray_gate.core.audit_line import LogEvent, moment_text
from xray_gate.core.errors import InputError
from xray_gate.core.printable import printable

_EVENTS = [event.value for event in LogEvent]
_HEAD = re.compile(r"(?P<seq>[1-9][0-9]{0,17}):(?P<hash>[0-9a-f]{64})")


@click.command()
@click.argument("target", metavar="[NAME[/VERSION] | FILE]", required=False)
@registry_option
@click.option("--workspace", help="Only this one.")
@click.option("--event", "events", multiple=True, type=click.Choice(_EVENTS), help="Only these.")
@click.option("--actor", help="Only what this user, runner or account did.")
@click.option("--since", help="From this day or time on (ISO 8601; UTC where it says nothing).")
@click.option("--until", help="Before this day or time.")
@click.option("--format", "output_format", type=click.Choice(["text", "jsonl"]), default="text")
@click.option("--head", is_flag=True, help="Print number and hash of the newest line, to be kept.")
@click.option("--check", is_flag=True, help="Check the chain, of the registry or of FILE.")
@click.option(
    "--from-head", "kept", multiple=True, help="With --check: SEQ:HASH, as --head printed it once."
)
def log(
    target: str | None,
    registry_uri: str | None,
    workspace: str | None,
    events: tuple[str, ...],
    actor: str | None,
    since: str | None,
    until: str | None,
    output_format: str,
    head: bool,
    check: bool,
    kept: tuple[str, ...],
) -> int:
    """Show what happened to versions: who, when, by which policy; oldest first.

    --check follows the hashes from the first line to the newest; it ends 0 where the chain is
    whole, else 1, and names the first broken line. With FILE it checks lines that were exported by
    `--format jsonl` without a filter, and needs no registry. Only a head that is kept elsewhere
    (--head, --from-head) shows that the newest lines were removed, or all of them written anew.
    """
    filters = (workspace, actor, since, until, *events)
    if (check or head) and any(value is not None for value in filters):
        raise InputError("--check and --head are about the whole log; leave the filters out")
    if kept and not check:
        raise InputError("--from-head is compared by --check; give both")
    if check:
        return _check(target, registry_uri, [_read_head(text) for text in kept])
    if registry_uri is None:
        raise InputError("log reads the registry's database: give --registry-uri xray-gate+...")
    if head:
        return _show_head(registry_uri)
    _show(registry_uri, target, filters, output_format)
    return int(ExitCode.PASSED)


def _show(
    registry_uri: str, target: str | None, filters: tuple[str | None, ...], output_format: str
) -> None:
    from xray_gate.ledger.log_reading import LogFilter
    from xray_gate.wiring import auditing

    workspace, actor, since, until, *events = filters
    name, version = (None, None) if target is None else split_target(target)
    wanted = LogFilter(
        name,
        version,
        workspace,
        tuple(event for event in events if event is not None),
        actor,
        _moment(since, "--since"),
        _moment(until, "--until"),
    )
    shown = exported if output_format == "jsonl" else line_text
    found = False
    with auditing.read_log(registry_uri, wanted) as lines:
        for line in lines:
            found = True
            click.echo(shown(line))
    if not found:
        click.echo("no line of the log is of that; check name, filters and workspace", err=True)


def _show_head(registry_uri: str) -> int:
    from xray_gate.wiring import auditing

    found = auditing.read_log_head(registry_uri)
    if found is None:
        click.echo("the row that names the newest line is gone; run `log --check`", err=True)
        return int(ExitCode.FAILED)
    click.echo(str(found))
    return int(ExitCode.PASSED)


def _check(target: str | None, registry_uri: str | None, kept: list[Head]) -> int:
    if target is not None:
        checked = check_exported(Path(target), kept)
    elif registry_uri is not None:
        from xray_gate.wiring import auditing

        checked = auditing.check_log(registry_uri, kept)
    else:
        raise InputError("--check reads the registry's database or a file: give one of them")
    if checked.broken is not None:
        click.echo(f"broken at line {checked.broken.seq}: {checked.broken.damage}")
        click.echo(f"  {printable(checked.broken.text)}")
        click.echo(f"  {checked.lines} line(s) before it are whole")
        return int(ExitCode.FAILED)
    click.echo(f"{checked.lines} line(s), whole; newest {checked.head}")
    if not kept:
        click.echo(
            "no head was given: whoever owns the database could have removed the newest lines, or "
            "written all of them anew (--from-head)",
            err=True,
        )
    return int(ExitCode.PASSED)


def _read_head(text: str) -> Head:
    found = _HEAD.fullmatch(text.strip())
    if found is None:
        raise InputError(
            f"--from-head {text[:100]!r}: is no head; give SEQ:HASH as `xray-gate log --head` "
            "printed it"
        )
    return Head(int(found["seq"]), found["hash"], "the head that was kept")


def _moment(text: str | None, option: str) -> str | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{option} {text[:100]!r}: is no time; write 2026-11-22 or 2026-11-22T10:30:00+01:00"
        ) from error
    return moment_text(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
