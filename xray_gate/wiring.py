"""The one place that picks concretes. Extras (torch, onnxruntime) are reached from here, lazily."""

import os
import socket
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from sqlalchemy import Engine

from xray_gate.backends import isolation
from xray_gate.core.errors import InputError, PolicyError
from xray_gate.detectors.all_detectors import installed_detectors
from xray_gate.ledger.history import past_scans
from xray_gate.ledger.ledger import Ledger
from xray_gate.ledger.open_work import open_work
from xray_gate.ledger.queue_figures import queue_figures
from xray_gate.ledger.schema import upgrade
from xray_gate.ledger.status import status_row
from xray_gate.policy.files import Policy, PolicyPlace, PolicySet, read_policies, read_policy
from xray_gate.policy.replay import Promoted, Replayed, replay
from xray_gate.probing.probe_files import read_probes
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.probing.training_data import TrainingData
from xray_gate.registry.admitted import AdmittedModels, admitted_models
from xray_gate.registry.artifacts import MlflowArtifacts
from xray_gate.registry.evidence_run import EvidenceRuns
from xray_gate.registry.gated_store import GatedStore, GateParts, WorkspaceGatedStore
from xray_gate.registry.promotions import is_free
from xray_gate.registry.rescanning import rescan
from xray_gate.registry.revoking import Withdrawn, revoke
from xray_gate.registry.snapshots import DEFAULT_PLACE, Snapshots
from xray_gate.registry.store_uri import database_uri
from xray_gate.registry.training_inputs import LoggedInputs
from xray_gate.registry.work import RegistryWork
from xray_gate.registry.workspace import in_workspace
from xray_gate.report.files import write_report
from xray_gate.runner.events import Observer
from xray_gate.runner.health import RunnerHealth
from xray_gate.runner.loop import Runner
from xray_gate.runner.metrics import RunnerMetrics
from xray_gate.runner.parts import Retries, RunnerParts
from xray_gate.runner.present_state import RecentFigures
from xray_gate.runner.watch import RunnerWatch
from xray_gate.scan.calibrating import Calibrating
from xray_gate.scan.opening import checked, model_request, preprocessing_of
from xray_gate.scan.pipeline import (
    Progress,
    Scan,
    ScanRequest,
    default_seed,
)
from xray_gate.scan.ports import Device, OpenModel
from xray_gate.scan.queue_figures import QueueFigures
from xray_gate.scan.training import found_training_data, given_training_data
from xray_gate.scan.work import (
    Champion,
    MissingTraining,
    Promotion,
    Revocation,
    ScanOutput,
    TrainingFiles,
    VerdictSigner,
    VersionKey,
    VersionState,
)
from xray_gate.signing.attesting import Attesting
from xray_gate.signing.key_folder import read_signing_key
from xray_gate.static_checks.check import check_files

POLICY_VARIABLE = "XRAY_GATE_POLICY"
TRACKING_VARIABLE = "XRAY_GATE_TRACKING_URI"

_LEAST_SILENCE = 30.0

# No other way to open a model leads out of this file.
open_model = checked(isolation.open_model, check_files)


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
    _plain_store(store_uri)
    # The server reads artifacts that it serves itself as its clients do.
    fetch = MlflowArtifacts(os.environ.get(TRACKING_VARIABLE) or tracking_uri or "")
    store: GatedStore = store_class(uri, GateParts(Ledger(), policies.current, fetch))
    return store


def default_policy() -> Policy:
    """The packaged policy, for a scan that names none."""
    with resources.as_file(resources.files("xray_gate") / "data" / "default.yaml") as path:
        return read_policy(path)


def load_policy(path: Path | None) -> Policy:
    """The one policy of a file, or the packaged one."""
    if path is None:
        return default_policy()
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name the one policy file to scan with")
    return read_policy(path)


def load_policy_to_calibrate(path: Path | None) -> Policy:
    """As `load_policy`; the calibration that it names need not exist yet."""
    return default_policy() if path is None else read_policy(path, with_calibration=False)


def load_probes(path: Path, policy: Policy) -> ProbeSet:
    """The probes at `path`, in the size that the policy's preprocessing asks for."""
    return read_probes(path, preprocessing_of(policy).size)


def load_training_data(path: Path, policy: Policy, probes: ProbeSet) -> TrainingData:
    """The training data at `path`, in the probes' form; they are read in passes, later."""
    return given_training_data(
        TrainingFiles(str(path), path), preprocessing_of(policy).size, probes
    )


def policys_training_data(
    policy: Policy, probes: ProbeSet, logged: TrainingFiles | MissingTraining | None = None
) -> TrainingData | MissingTraining | None:
    """The training data that the policy names, or why they cannot be had; None where it names none.

    `logged`: those of the model's run, which only a runner looks up.
    """
    if policy.training_data is not None:
        logged = TrainingFiles(str(policy.training_data), policy.training_data)
    elif not policy.wants_logged_training_data:
        return None
    if logged is None:
        return MissingTraining(
            "the policy takes those that were logged with the model's run, which only a runner "
            "looks up; name them with --training-data"
        )
    if isinstance(logged, MissingTraining):
        return logged
    return found_training_data(logged, preprocessing_of(policy).size, probes)


def utc_now() -> datetime:
    """The clock of reports."""
    return datetime.now(UTC)


def new_scan(progress: Progress | None = None) -> Scan:
    """A scan over the real back ends, by all detectors that are installed.

    Raises `InputError` for a plug-in that cannot be used.
    """
    return Scan(open_model, utc_now, progress, installed_detectors())


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
    fetch = MlflowArtifacts(_http(tracking_uri))
    make_session = _plain_store(registry_uri).ManagedSessionMaker
    for name in names:
        of_name = admitted_models(make_session, Ledger(), fetch, "default", name)
        found.models.extend(of_name.models)
        found.left_out.extend(of_name.left_out)
    return found


def open_classifier(
    path: Path, policy: Policy, classes: int, shape: tuple[int, ...], device: Device
) -> AbstractContextManager[OpenModel]:
    """The model at `path`, to be asked as a scan under `policy` asks it; see `model_request`."""
    return open_model(model_request(path, policy, classes, shape, device))


@dataclass(frozen=True)
class _PolicyScanner:
    """Scans with the probes and the training data that the policy names."""

    scan: Scan
    device: Device

    def __call__(
        self,
        path: Path,
        ref: str,
        policy: Policy,
        champion: Champion | None,
        logged: TrainingFiles | MissingTraining | None,
    ) -> ScanOutput:
        if policy.probes is None:
            raise PolicyError(
                f"policy {policy.name}: names no `probes`, and a runner cannot scan without; "
                "add the path of clean labelled samples"
            )
        probes = load_probes(policy.probes, policy)
        seed = default_seed(policy)
        training = policys_training_data(policy, probes, logged)
        return self.scan(
            ScanRequest(path, ref, policy, probes, seed, self.device, champion, training)
        )


def verdict_signer(key: Path, passphrase: bytes | None) -> VerdictSigner:
    """Signs verdicts with the private key in a file; `InputError` when it cannot be read."""
    return Attesting(read_signing_key(key, passphrase), utc_now)


@dataclass(frozen=True)
class RunnerSettings:
    """Where a runner works.

    `policy` says what to measure; without it, the server's does. `snapshots` is where scanned bytes
    are kept: any place that MLflow's artifact stores can write to and everybody's clients can read.
    Without `sign` verdicts are not signed. `retries`: what is done where something other than the
    model fails.
    """

    registry_uri: str
    tracking_uri: str
    policy: Path | None = None
    device: Device = "auto"
    lease_seconds: float = 60.0
    snapshots: str = DEFAULT_PLACE
    sign: VerdictSigner | None = None
    retries: Retries = field(default_factory=Retries)


def new_runner(
    settings: RunnerSettings,
    announce: Callable[[str], None],
    observers: tuple[Observer, ...] = (),
) -> Runner:
    """A runner on a registry's database; `InputError` when its URIs cannot be used."""
    _http(settings.tracking_uri)
    store = _plain_store(settings.registry_uri)
    queue = RegistryWork(
        store.ManagedSessionMaker,
        Ledger(),
        owner=f"{socket.gethostname()[:50]}-{os.getpid()}-{uuid.uuid4().hex[:8]}",
        lease_seconds=settings.lease_seconds,
    )
    measuring: PolicySet | None = None
    if settings.policy is not None:
        measuring = read_policies(settings.policy)
    fetch = MlflowArtifacts(settings.tracking_uri)
    return Runner(
        RunnerParts(
            queue=queue,
            fetch=fetch,
            fetch_training=LoggedInputs(settings.tracking_uri, fetch),
            scan=_PolicyScanner(new_scan(), settings.device),
            keep=Snapshots(settings.snapshots, settings.tracking_uri, fetch),
            publish=EvidenceRuns(settings.tracking_uri, write_report),
            sign=settings.sign,
            measuring=measuring,
            renew_seconds=settings.lease_seconds / 4,
            retries=settings.retries,
            announce=announce,
            observers=observers,
            in_workspace=in_workspace,
        )
    )


def new_watch(settings: RunnerSettings) -> RunnerWatch:
    """Metrics and health of the runner with these settings, which is to be told its observers."""
    engine = registry_engine(settings.registry_uri)

    def figures() -> QueueFigures:
        with engine.connect() as connection:
            return queue_figures(connection, time.time())

    # A runner renews its leases four times as often as they would end, and after a look that
    # failed it waits for ten seconds.
    health = RunnerHealth(silent_after=max(_LEAST_SILENCE, settings.lease_seconds))
    return RunnerWatch(RunnerMetrics(RecentFigures(figures)), health)


def _http(tracking_uri: str) -> str:
    if not tracking_uri.startswith(("http://", "https://")):
        raise InputError(
            f"{tracking_uri}: artifacts are read and logged through the MLflow server; give its "
            "http:// address as --tracking-uri"
        )
    return tracking_uri


def _plain_store(registry_uri: str) -> WorkspaceAwareSqlAlchemyStore:
    # The workspace-aware class opens registries with and without workspaces; the gate's own
    # tables and statements name the workspace themselves.
    store = WorkspaceAwareSqlAlchemyStore(database_uri(registry_uri))
    upgrade(store.engine)
    return store


def read_status(
    registry_uri: str, workspace: str, name: str, version: int | None
) -> list[dict[str, Any]]:
    """What the ledger knows of a name's versions, newest first, or of one version."""
    ledger = Ledger()
    with _plain_store(registry_uri).ManagedSessionMaker() as session:
        connection = session.connection()
        found = ledger.registrations_of(connection, workspace, name, version)
        return [status_row(ledger, connection, registration) for registration in found]


def read_open_work(registry_uri: str, workspace: str) -> list[dict[str, Any]]:
    """What the ledger knows of the versions that wait, or that runners gave up; oldest first."""
    ledger = Ledger()
    with _plain_store(registry_uri).ManagedSessionMaker() as session:
        connection = session.connection()
        found = open_work(connection, workspace)
        return [status_row(ledger, connection, registration) for registration in found]


def read_attestation(registry_uri: str, workspace: str, name: str, version: int) -> str | None:
    """The signed verdict of a version, or None where nobody signed one."""
    ledger = Ledger()
    with _plain_store(registry_uri).ManagedSessionMaker() as session:
        connection = session.connection()
        found = ledger.current(connection, VersionKey(workspace, name, version))
        return None if found is None else ledger.attestation_of(connection, found)


def replay_policies(registry_uri: str, workspace: str, policies: PolicySet) -> list[Replayed]:
    """What `policies` would make of all that was scanned in a workspace, oldest first."""

    def freely(policy: Policy, promoted: Promoted) -> bool:
        return is_free(policy, Promotion(*promoted))

    with _plain_store(registry_uri).ManagedSessionMaker() as session:
        return list(replay(policies, past_scans(session.connection(), workspace), freely))


def revoke_version(
    registry_uri: str, key: VersionKey, reason: str, by: str
) -> tuple[Revocation, list[Withdrawn]]:
    """Withdraw the admission of a version's bytes; see `registry.revoking.revoke`."""
    make_session = _plain_store(registry_uri).ManagedSessionMaker
    return revoke(make_session, Ledger(), key, reason, by, time.time())


def rescan_version(registry_uri: str, key: VersionKey) -> None:
    """Put a version into the queue again; see `registry.rescanning.rescan`."""
    rescan(_plain_store(registry_uri).ManagedSessionMaker, Ledger(), key)


def dead_letters(registry_uri: str, workspace: str) -> list[VersionKey]:
    """The versions that runners gave up, oldest first."""
    with _plain_store(registry_uri).ManagedSessionMaker() as session:
        found = open_work(session.connection(), workspace, [VersionState.DEAD_LETTER])
        return [registration.key for registration in found]


def registry_engine(registry_uri: str) -> Engine:
    """The registry's database, with MLflow's tables and the ledger's of this release."""
    engine: Engine = _plain_store(registry_uri).engine
    return engine


__all__: Sequence[str] = (
    "DEFAULT_PLACE",
    "RunnerSettings",
    "dead_letters",
    "default_policy",
    "gated_store",
    "load_policy",
    "load_policy_to_calibrate",
    "load_probes",
    "load_training_data",
    "models_from_registry",
    "new_calibrating",
    "new_runner",
    "new_scan",
    "new_watch",
    "open_classifier",
    "policys_training_data",
    "read_attestation",
    "read_open_work",
    "read_status",
    "registry_engine",
    "replay_policies",
    "rescan_version",
    "revoke_version",
    "utc_now",
    "verdict_signer",
)
