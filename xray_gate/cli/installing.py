"""What `xray-gate install` does, and what it says about that."""

from mlflow.exceptions import MlflowException
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from xray_gate.core.errors import InputError
from xray_gate.ledger.schema import exclusive, revision
from xray_gate.ledger.triggers.installing import TriggerState
from xray_gate.ledger.triggers.installing import install as install_triggers
from xray_gate.ledger.triggers.installing import remove as remove_triggers
from xray_gate.wiring import stores

_INSTALLED = {
    TriggerState.ABSENT: "installed",
    TriggerState.OTHER: "installed in the place of those of another release, or of changed ones",
    TriggerState.CURRENT: "were there already, and are those of this release",
}


def installed(registry_uri: str, *, remove: bool) -> list[str]:
    """Bring tables and triggers to this release, or take the triggers away; what was done.

    Raises `InputError` where the database may not be changed.
    """
    try:
        with exclusive(stores.registry_engine(registry_uri)) as connection:
            return _removed(connection) if remove else _installed(connection)
    except (MlflowException, DBAPIError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise InputError(
            f"the registry's database cannot be changed ({str(cause).strip()}); use the account "
            "that owns its tables"
        ) from error


def _installed(connection: Connection) -> list[str]:
    before = install_triggers(connection)
    tables = revision(connection)
    return [f"ledger: its tables are there (schema {tables})", f"triggers: {_INSTALLED[before]}"]


def _removed(connection: Connection) -> list[str]:
    there = remove_triggers(connection) is not TriggerState.ABSENT
    return [f"triggers: {'removed' if there else 'there were none'}", "ledger: left as it is"]
