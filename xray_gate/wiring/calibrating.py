"""Calibration over the real back ends, by models from folders and from the registry."""

from collections.abc import Sequence

from xray_gate.core.errors import InputError
from xray_gate.ledger.ledger import Ledger
from xray_gate.policy.files import Policy
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.registry.admitted import AdmittedModels, admitted_models
from xray_gate.registry.artifacts import MlflowArtifacts
from xray_gate.scan.calibrating import Calibrating
from xray_gate.scan.pipeline import Progress
from xray_gate.scan.ports import Device
from xray_gate.wiring.scanning import new_scan, open_model
from xray_gate.wiring.stores import existing_store, http_address


def new_calibrating(
    policy: Policy, probes: ProbeSet, seed: int, device: Device, progress: Progress | None = None
) -> Calibrating:
    """Scores references over the real back ends; see `Calibrating`."""
    return Calibrating(policy, probes, new_scan(progress), open_model, seed, device)


def models_from_registry(
    names: Sequence[str], registry_uri: str | None, tracking_uri: str | None
) -> AdmittedModels:
    """The versions of registered models that passed, to be fetched as a runner does.

    Raises `InputError` where a name has none, and where names are given without both URIs.
    """
    found = AdmittedModels()
    if not names:
        return found
    if registry_uri is None or tracking_uri is None:
        raise InputError(
            "--from-registry needs --registry-uri xray-gate+... and --tracking-uri http://..."
        )
    fetch = MlflowArtifacts(http_address(tracking_uri))
    make_session = existing_store(registry_uri).ManagedSessionMaker
    for name in names:
        of_name = admitted_models(make_session, Ledger(), fetch, "default", name)
        found.models.extend(of_name.models)
        found.left_out.extend(of_name.left_out)
    return found
