"""The words that registry, ledger and runner share, so that they need not know each other."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol

from xray_gate.core.evidence import Evidence
from xray_gate.core.printable import time_text
from xray_gate.core.verdict import Decision, Excuse, Verdict
from xray_gate.policy.files import Policy
from xray_gate.probing.planes import ScannedPlane
from xray_gate.probing.shown_trigger import ShownTrigger


class VersionState(StrEnum):
    """Where a registered version stands in the ledger.

    A dead letter was tried as often as runners try, and something other than the model failed. What
    is unscanned became READY without a scan, as its policy asked for none at a registration.
    """

    WAITING = "waiting"
    ADMITTED = "admitted"
    REFUSED = "refused"
    DEAD_LETTER = "dead_letter"
    UNSCANNED = "unscanned"
    REVOKED = "revoked"
    DELETED = "deleted"


@dataclass(frozen=True)
class VersionKey:
    """A model version, as MLflow knows it. `workspace` is `default` where there are none."""

    workspace: str
    name: str
    version: int

    def __str__(self) -> str:
        place = "" if self.workspace == "default" else f"{self.workspace}:"
        return f"{place}{self.name}/{self.version}"

    @property
    def arguments(self) -> str:
        """The version as `xray-gate status` and `xray-gate revoke` take it."""
        place = "" if self.workspace == "default" else f" --workspace {self.workspace}"
        return f"{self.name}/{self.version}{place}"


@dataclass(frozen=True)
class Registration:
    """One registration of a version. A deleted name that is used again is a new registration.

    `kept`: at `location` lies the gate's own copy of what was scanned, and not the registrant's.
    `scan_id`: the scan that the state rests on, None before one. `failure`: why the last try came
    to nothing; `retry_at`: before when (seconds since the epoch) there is no new one.
    """

    id: int
    key: VersionKey
    location: str
    state: VersionState
    attempts: int
    kept: bool = False
    scan_id: str | None = None
    failure: str | None = None
    retry_at: float | None = None


@dataclass(frozen=True)
class Promotion:
    """An alias or a stage that leads to a version."""

    kind: Literal["alias", "stage"]
    value: str


RUNNER_SILENT_AFTER = 90.0
"""Seconds; a runner says every few that it is alive, also while it scans."""


@dataclass(frozen=True)
class RecordedVerdict:
    """A verdict as it stands in the ledger, whatever the policy is today.

    `excused_by`: the exceptions that admitted it then.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    excused_by: tuple[Excuse, ...] = ()


@dataclass(frozen=True)
class Revocation:
    """Somebody's word that these bytes are not to be used, whatever was measured."""

    digest: str
    reason: str
    by: str

    def __str__(self) -> str:
        return f"withdrawn by {self.by}: {self.reason}"


@dataclass(frozen=True)
class Review:
    """Somebody has looked at what was promoted past the verdict; `at` as of `BreakGlass`."""

    by: str
    note: str
    at: float


@dataclass(frozen=True)
class BreakGlass:
    """An operator's word that lets one promotion of these bytes through, once, until `until`.

    Times are seconds since the epoch. `used_at` is None while nothing was promoted by it.
    """

    id: int
    key: VersionKey
    digest: str
    promotion: Promotion
    justification: str
    ticket: str | None
    by: str
    opened_at: float
    until: float
    used_at: float | None = None
    review: Review | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON values, for people and programs; times as RFC 3339."""
        review = self.review and {
            "by": self.review.by,
            "note": self.review.note,
            "at": time_text(self.review.at),
        }
        return {
            "id": self.id,
            "workspace": self.key.workspace,
            "name": self.key.name,
            "version": self.key.version,
            "digest": self.digest,
            "kind": self.promotion.kind,
            "value": self.promotion.value,
            "justification": self.justification,
            "ticket": self.ticket,
            "by": self.by,
            "opened_at": time_text(self.opened_at),
            "until": time_text(self.until),
            "used_at": None if self.used_at is None else time_text(self.used_at),
            "review": review,
        }


@dataclass(frozen=True)
class Proof:
    """What a version's admission rests on, and whether that was withdrawn.

    `promotes`: whether the verdict that was recorded last admits promotions; `excused_by`: the
    exceptions that it names.
    """

    evidence: Evidence
    revocation: Revocation | None
    promotes: bool = True
    excused_by: tuple[Excuse, ...] = ()


@dataclass(frozen=True)
class Lease:
    """A runner's right to scan one registration until `until` (seconds since the epoch)."""

    registration: Registration
    owner: str
    until: float


@dataclass(frozen=True)
class Champion:
    """An admitted model that a new version is compared with; `path` holds its files."""

    ref: str
    path: Path


@dataclass(frozen=True)
class ModelOrigin:
    """What the registry says of where a version comes from; both as the registrant gave them."""

    run_id: str | None
    source: str


@dataclass(frozen=True)
class TrainingFiles:
    """A model's training data: `path` holds them, `source` is what people call that place."""

    source: str
    path: Path


@dataclass(frozen=True)
class MissingTraining:
    """Why training data that a policy wants cannot be had; `reason` ends in what to do next."""

    reason: str


@dataclass(frozen=True)
class ScanOutput:
    """All that a scan leaves behind: evidence for ever, planes and triggers for the figures."""

    evidence: Evidence
    planes: Sequence[ScannedPlane] = ()
    triggers: Sequence[ShownTrigger] = ()


@dataclass(frozen=True)
class Settlement:
    """What is recorded of a version, all at once.

    `run_id`: the MLflow run with the report, where it could be logged. `snapshot`: where the
    scanned bytes are kept, if they are; the version then lies there. `attestation`: the signed
    verdict. `gave_up`: it could not be scanned for a reason other than the model, however often.
    """

    evidence: Evidence
    decision: Decision
    policy: Policy
    run_id: str | None = None
    snapshot: str | None = None
    attestation: str | None = None
    gave_up: bool = False


class WorkQueue(Protocol):
    """The runner's view of the registry."""

    def heartbeat(self) -> None:
        """Say that this runner is alive."""
        ...

    def claim(self) -> Lease | None:
        """Take the oldest waiting version that nobody holds, or None when there is none."""
        ...

    def renew(self, lease: Lease) -> None:
        """Prolong a lease; raises `LeaseLost` when another runner has it."""
        ...

    def policy_for(self, lease: Lease, flavours: tuple[str, ...] | None = None) -> Policy | None:
        """The server's policy for the version, or None; raises `PolicyError`.

        `Undetermined` is raised where it hangs on the `flavours`, and these are not known (None).
        """
        ...

    def tags_of(self, lease: Lease) -> Mapping[str, str]:
        """The tags of the version's registered model."""
        ...

    def champion_for(self, lease: Lease) -> Registration | None:
        """The newest other version of the same name that passed and is admitted, or None."""
        ...

    def origin_of(self, lease: Lease) -> ModelOrigin:
        """Where the version comes from."""
        ...

    def withdrawn(self, digest: str) -> Decision | None:
        """What counts for these bytes whatever is measured, where they were withdrawn."""
        ...

    def finish(self, lease: Lease, settlement: Settlement) -> Decision:
        """Record evidence, verdict, its attestation and status in one transaction.

        What is returned counts as the decision: another one where these bytes were withdrawn.
        Raises `LeaseLost`, and records nothing, when the lease is no longer this runner's.
        """
        ...

    def put_back(self, lease: Lease, reason: str, pause: float) -> None:
        """End the lease; nobody can claim the version for `pause` seconds. Raises `LeaseLost`.

        `reason`: why this try came to nothing.
        """
        ...

    def refuse(self, lease: Lease, reason: str, *, gave_up: bool = False) -> None:
        """Record that the version cannot be scanned at all. Raises `LeaseLost`.

        `gave_up`: for a reason other than the model, however often it was tried.
        """
        ...


class ArtifactFetcher(Protocol):
    """Brings a version's files to a local folder."""

    def __call__(self, location: str) -> AbstractContextManager[Path]:
        """The folder or file, for the time of the context.

        Raises `Unavailable` where another try may bring them, else `ScanError`.
        """
        ...


class SnapshotKeeper(Protocol):
    """Keeps the bytes that were scanned where only the gate writes."""

    def __call__(self, path: Path, digest: str) -> str:
        """Their location; raises `ScanError` where they are not there afterwards, to the bit."""
        ...


class TrainingFetcher(Protocol):
    """Brings the training data here that were logged with a model's run."""

    def __call__(self, origin: ModelOrigin) -> AbstractContextManager[TrainingFiles]:
        """Their files, for the time of the context; raises `ScanError`."""
        ...


class EvidenceSink(Protocol):
    """Where people look at a scan: an MLflow run."""

    def __call__(
        self,
        key: VersionKey,
        output: ScanOutput,
        decision: Decision,
        policy: Policy,
        attestation: str | None = None,
    ) -> str:
        """Log scores, figures, report and attestation; the run's id. Raises when that fails."""
        ...


class VerdictSigner(Protocol):
    """Signs what was decided about the bytes that were scanned."""

    def __call__(self, output: ScanOutput, decision: Decision, policy: Policy) -> str | None:
        """The signed attestation, or None where no bytes were looked at, so never for a pass."""
        ...


class Scanner(Protocol):
    """Scans the files at a path under a policy."""

    def __call__(
        self,
        path: Path,
        ref: str,
        policy: Policy,
        champion: Champion | None,
        logged: TrainingFiles | MissingTraining | None,
    ) -> ScanOutput:
        """The evidence; raises `InputError` when model, probes or policy cannot be used.

        `logged`: the training data of the model's run, where the policy wants those.
        """
        ...
