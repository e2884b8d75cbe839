"""`xray-gate install`: the ledger's tables and the triggers, in the registry's database."""

import click

from xray_gate.cli.registry_option import registry_option
from xray_gate.core.errors import InputError


@click.command()
@registry_option
@click.option("--remove", is_flag=True, help="Take the triggers away again; the ledger stays.")
def install(registry_uri: str | None, remove: bool) -> int:
    """Put triggers into the registry's database that refuse what no verdict admits.

    The MLflow server with the gate does not need them: it checks every promotion itself, and makes
    the ledger's tables when it starts. The triggers are a second line, for writers that do not
    pass it: another MLflow server without the plugin, a script, a person with psql. They refuse an
    alias, the stages Staging and Production and the status READY for a version whose place the
    ledger does not admit, and every change of evidence and verdicts. Aliases and stages that a
    policy leaves free are then set through the server with the gate only. Who registers a version
    past the gate on SQLite reads "Giving up after 3 attempts": MLflow keeps the reason to itself.

    They do not stop somebody who may drop them: give other writers to PostgreSQL a role that owns
    neither tables nor triggers. Install again after an upgrade of xray-gate. Before
    `mlflow db upgrade` on SQLite, remove them; afterwards, install them again.
    """
    from xray_gate.cli.installing import installed

    if registry_uri is None:
        raise InputError("install writes to the registry: give --registry-uri xray-gate+...")
    for line in installed(registry_uri, remove=remove):
        click.echo(line)
    return 0
