"""The option that names the gated registry's database."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def registry_option(command: Command) -> Command:
    """`--registry-uri`; None where neither it nor MLFLOW_REGISTRY_URI is given."""
    option = click.option(
        "--registry-uri",
        envvar="MLFLOW_REGISTRY_URI",
        help="The gated registry's database: xray-gate+sqlite:///... or xray-gate+postgresql://...",
    )
    return option(command)
