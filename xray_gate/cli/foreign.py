"""Prints text in which others may have a word: registrants, files, policies of a pull request."""

import click

from xray_gate.report.visible import visible

_LONGEST = 20_000


def one_line(text: object) -> str:
    """`text` as one line in which nothing acts on a terminal; very long ones are cut."""
    return visible(str(text), _LONGEST)


def echo(text: str, *, err: bool = False) -> None:
    """Print lines, each as `one_line`; a foreign part must be one already, or it can begin one."""
    click.echo("\n".join(map(one_line, text.split("\n"))), err=err)
