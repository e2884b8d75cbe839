"""`xray-gate policy`: whether policies can be defended, what they say and change."""

import json
import time
from pathlib import Path
from typing import Literal

import click

from xray_gate.cli.exit_codes import ExitCode
from xray_gate.cli.foreign import echo, one_line
from xray_gate.cli.registry_option import registry_option
from xray_gate.core.errors import InputError, PolicyError


@click.group()
def policy() -> None:
    """Write and review policies."""


@policy.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def check(paths: tuple[Path, ...]) -> int:
    """Check policy files or folders; ends 1 when there is any finding.

    What would only be better is said on stderr, and is none. Exceptions beside them
    (`*.exception.yaml`) are checked, too, and those that count are listed.
    """
    from xray_gate.policy.advice import advice
    from xray_gate.policy.coverage import coverage_findings
    from xray_gate.policy.exception_document import is_exception_file
    from xray_gate.policy.files import read_policies
    from xray_gate.policy.review import exception_findings, exceptions_told, findings

    now = time.time()
    found: list[str] = []
    # An exception is checked with the policies that it lies beside.
    folders = [path.parent if is_exception_file(path) else path for path in paths]
    for path in dict.fromkeys(folders):
        try:
            policies = read_policies(path)
        except PolicyError as error:
            found += str(error).splitlines()
            continue
        found += policies.problems
        for item in policies.policies:
            for text in advice(item):
                echo(f"advice: {path}: {item.name}: {text}", err=True)
            texts = [*findings(item), *exception_findings(item, now)]
            found += [f"{path}: {item.name}: {text}" for text in texts]
            for text in exceptions_told(item, now):
                click.echo(one_line(f"{path}: {item.name}: {text}"))
        found += [f"{path}: {text}" for text in coverage_findings(policies)]
    for text in found:
        click.echo(one_line(text))
    click.echo(f"{len(found)} finding(s)" if found else "no findings", err=True)
    return int(ExitCode.FAILED if found else ExitCode.PASSED)


@policy.command()
@click.argument("targets", metavar="FILE|NAME/VERSION...", nargs=-1, required=True)
@registry_option
@click.option("--workspace", default="default", show_default=True, help="Of the versions.")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text")
def explain(
    targets: tuple[str, ...], registry_uri: str | None, workspace: str, output_format: str
) -> int:
    """Say in words what policies do, or what they made of a version in the registry.

    FILE: a policy file or folder; ends 2 when one cannot be read. NAME/VERSION: rule by rule the
    number against its bound, what decided and what it would take, under the server's policies as
    they are now and, where they were others, as they were; ends 0 whatever that is. A target that
    exists here as a file or folder is one.
    """
    from xray_gate.cli.explaining import explained

    found = [explained(target, registry_uri, workspace) for target in targets]
    if output_format == "json":
        click.echo(json.dumps([one.to_json() for one in found], indent=2))
    else:
        echo("\n\n".join(one.to_text() for one in found))
    return int(ExitCode.PASSED)


@policy.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def test(paths: tuple[Path, ...]) -> int:
    """Judge the declared results beside policies (`*.test.yaml`); ends 1 when one differs."""
    from xray_gate.policy.declared import run_cases

    results = [result for path in paths for result in run_cases(path)]
    failed = [result for result in results if result.differences]
    for result in failed:
        for text in result.differences:
            click.echo(one_line(f"{result.file}: {result.name}: {text}"))
    click.echo(f"{len(results) - len(failed)} passed, {len(failed)} failed", err=True)
    return int(ExitCode.FAILED if failed else ExitCode.PASSED)


@policy.command()
@click.option("--exception", "of_exception", is_flag=True, help="That of an exception's file.")
def schema(of_exception: bool) -> int:
    """Print the JSON Schema of a policy, for editors."""
    from xray_gate.policy.json_schema import exception_schema, policy_schema

    found = exception_schema() if of_exception else policy_schema()
    click.echo(json.dumps(found, indent=2))
    return int(ExitCode.PASSED)


@policy.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text")
def diff(before: Path, after: Path, output_format: Literal["text", "json"]) -> int:
    """What differs between two policies or folders, in meaning; ends 1 when a change weakens.

    Every setting counts with its default, and says whether it lets through more (weaker) or less
    (stricter) than before. A policy under a new name counts as weaker, since it is compared with
    none, and so do names that a policy gets.
    """
    from xray_gate.cli.policy_changes import changes_as_json, changes_as_text
    from xray_gate.policy.difference import difference
    from xray_gate.policy.files import read_policies

    found = difference(read_policies(before), read_policies(after))
    if output_format == "json":
        click.echo(json.dumps(changes_as_json(found), indent=2))
    else:
        click.echo(changes_as_text(found))
    return int(ExitCode.FAILED if any(one.weakens for one in found) else ExitCode.PASSED)


@policy.command()
@click.argument("path", type=click.Path(path_type=Path))
@registry_option
@click.option("--workspace", default="default", show_default=True)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="CSV of versions (name/3) or digests, and `clean` or `backdoored`, for rates.",
)
@click.option("--as-enforced", is_flag=True, help="As if every policy had `enforcement: enforce`.")
@click.option(
    "--format", "output_format", type=click.Choice(["text", "json", "markdown"]), default="text"
)
def replay(
    path: Path,
    registry_uri: str | None,
    workspace: str,
    labels: Path | None,
    as_enforced: bool,
    output_format: Literal["text", "json", "markdown"],
) -> int:
    """What the policies at PATH would make of all that was scanned; nothing is scanned again.

    Shows which versions change their verdict or their admission, and which of those that are
    promoted today would be refused. Ends 0 whatever that is.
    """
    from xray_gate.cli.replaying import Replay, as_json, as_markdown, as_text
    from xray_gate.policy.files import read_policies
    from xray_gate.policy.labels import read_labels
    from xray_gate.policy.replay import enforced, rates
    from xray_gate.wiring import reading

    if registry_uri is None:
        raise InputError("replay reads the registry's database: give --registry-uri xray-gate+...")
    known = None if labels is None else read_labels(labels)
    policies = read_policies(path)
    rows = reading.replay_policies(
        registry_uri, workspace, enforced(policies) if as_enforced else policies
    )
    found = Replay(rows, None if known is None else rates(rows, known))
    if output_format == "json":
        click.echo(json.dumps(as_json(found), indent=2))
    else:
        click.echo(as_text(found) if output_format == "text" else as_markdown(found))
    return int(ExitCode.PASSED)
