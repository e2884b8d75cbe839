"""The registry store that MLflow's server loads."""

import os
from pathlib import Path

from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES

from xray_gate.core.errors import PolicyError
from xray_gate.ledger.ledger import Ledger
from xray_gate.policy.files import PolicyPlace
from xray_gate.registry.artifacts import MlflowArtifacts
from xray_gate.registry.gated_store import GatedStore, GateParts, WorkspaceGatedStore
from xray_gate.registry.signed_in import signed_in_user
from xray_gate.registry.store_uri import database_uri
from xray_gate.wiring.stores import plain_store

POLICY_VARIABLE = "XRAY_GATE_POLICY"
TRACKING_VARIABLE = "XRAY_GATE_TRACKING_URI"


def gated_store(store_uri: str, tracking_uri: str | None = None) -> GatedStore:
    """The registry store that MLflow's server loads for `xray-gate+...` (entry point).

    Raises `InputError` when the URI or XRAY_GATE_POLICY cannot be used: MLflow's server then does
    not start.
    """
    uri = database_uri(store_uri)
    place = os.environ.get(POLICY_VARIABLE)
    if not place:
        raise PolicyError(
            f"{POLICY_VARIABLE} is not set, so nothing could ever be admitted; set it to a policy "
            "file or a folder of policies before the server starts"
        )
    policies = PolicyPlace(Path(place))
    policies.current()
    store_class = WorkspaceGatedStore if MLFLOW_ENABLE_WORKSPACES.get() else GatedStore
    # MLflow makes its own tables first; the ledger's refer to the same database.
    plain_store(store_uri)
    # The server reads artifacts that it serves itself as its clients do.
    fetch = MlflowArtifacts(os.environ.get(TRACKING_VARIABLE) or tracking_uri or "")
    parts = GateParts(Ledger(), policies.current, fetch, user=signed_in_user)
    store: GatedStore = store_class(uri, parts)
    return store
