"""MLflow's workspaces, as a client of its server is in one."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.utils.workspace_context import WorkspaceContext
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME


@contextmanager
def in_workspace(workspace: str) -> Iterator[None]:
    """Speak to MLflow's server in a workspace until the context ends, in all threads.

    MLflow's artifact proxy gives each workspace places of its own, so a place means something else
    to a client in another one.
    """
    # A server without workspaces refuses requests that name one.
    with WorkspaceContext(None if workspace == DEFAULT_WORKSPACE_NAME else workspace):
        yield
