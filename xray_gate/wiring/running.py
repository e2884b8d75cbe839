"""A runner on a registry's database."""

import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from xray_gate.ledger.ledger import Ledger
from xray_gate.ledger.queue_figures import queue_figures
from xray_gate.policy.files import Policy, PolicySet, read_policies
from xray_gate.registry.artifacts import MlflowArtifacts
from xray_gate.registry.evidence_run import EvidenceRuns
from xray_gate.registry.snapshots import DEFAULT_PLACE, Snapshots
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
from xray_gate.scan.pipeline import Scan, ScanRequest, default_seed
from xray_gate.scan.ports import Device
from xray_gate.scan.queue_figures import QueueFigures
from xray_gate.scan.work import (
    ArtifactFetcher,
    Champion,
    MissingTraining,
    ScanOutput,
    TrainingFiles,
    VerdictSigner,
)
from xray_gate.signing.attesting import Attesting
from xray_gate.signing.key_folder import read_signing_key
from xray_gate.wiring.scanning import new_scan, policys_probes, policys_training_data, utc_now
from xray_gate.wiring.stores import http_address, plain_store, registry_engine

_LEAST_SILENCE = 30.0


@dataclass(frozen=True)
class _PolicyScanner:
    """Scans with the probes and the training data that the policy names."""

    scan: Scan
    device: Device
    fetch: ArtifactFetcher

    def __call__(
        self,
        path: Path,
        ref: str,
        policy: Policy,
        champion: Champion | None,
        logged: TrainingFiles | MissingTraining | None,
    ) -> ScanOutput:
        probes = policys_probes(policy, self.fetch)
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
    http_address(settings.tracking_uri)
    store = plain_store(settings.registry_uri)
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
            scan=_PolicyScanner(new_scan(), settings.device, fetch),
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
