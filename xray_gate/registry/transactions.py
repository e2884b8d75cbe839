"""One transaction on a registry's database, through the store's own session maker."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mlflow.exceptions import MlflowException
from sqlalchemy import Connection

from xray_gate.core.errors import XrayGateError


@contextmanager
def transaction(make_session: Callable[..., Any]) -> Iterator[Connection]:
    """A connection whose work commits when the context ends, and not at all after an error."""
    try:
        with make_session(read_only=False) as session:
            yield session.connection()
    except MlflowException as error:
        # MLflow's session wraps whatever is raised inside it; our own errors come out as such.
        if isinstance(error.__cause__, XrayGateError):
            raise error.__cause__ from None
        raise
