"""`xray-gate policy`: whether a policy is well-formed and can be defended, and what it says."""

from pathlib import Path

import click

from xray_gate.cli.exit_codes import ExitCode
from xray_gate.core.errors import PolicyError


@click.group()
def policy() -> None:
    """Write and review policies."""


@policy.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def check(paths: tuple[Path, ...]) -> int:
    """Check policy files or folders; ends 1 when there is any finding."""
    from xray_gate.policy.files import read_policies
    from xray_gate.policy.review import findings

    found: list[str] = []
    for path in paths:
        try:
            policies = read_policies(path)
        except PolicyError as error:
            found += str(error).splitlines()
            continue
        for item in policies.policies:
            found += [f"{path}: {item.name}: {text}" for text in findings(item)]
    for text in found:
        click.echo(text)
    click.echo(f"{len(found)} finding(s)" if found else "no findings", err=True)
    return int(ExitCode.FAILED if found else ExitCode.PASSED)


@policy.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def explain(paths: tuple[Path, ...]) -> int:
    """Say in words what policy files or folders do; ends 2 when one cannot be read."""
    from xray_gate.policy.explanation import explain_policy
    from xray_gate.policy.files import read_policies

    read = [item for path in paths for item in read_policies(path).policies]
    click.echo("\n\n".join("\n".join(explain_policy(item)) for item in read))
    return int(ExitCode.PASSED)
