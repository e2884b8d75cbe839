"""What a runner is made of, and how often it tries."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from xray_gate.policy.files import PolicySet
from xray_gate.runner.events import Observer, RunnerEvent, tell
from xray_gate.scan.work import (
    ArtifactFetcher,
    EvidenceSink,
    Lease,
    Scanner,
    SnapshotKeeper,
    TrainingFetcher,
    VerdictSigner,
    WorkQueue,
)


@dataclass(frozen=True)
class Retries:
    """How often a version is tried where something other than the model fails, and how soon again.

    The first new try comes after `first_pause` seconds, each other one after `factor` times as
    many as the one before. `short_pauses`, in seconds, lie between the tries of one call that
    writes down what a whole scan found.
    """

    tries: int = 4
    first_pause: float = 30.0
    factor: float = 4.0
    short_pauses: tuple[float, ...] = (1.0, 5.0)

    def follow(self, lease: Lease) -> bool:
        """Whether the version is tried again where the try under `lease` fails."""
        return lease.registration.attempts < self.tries

    def pause_after(self, lease: Lease) -> float:
        """Seconds between the end of the try under `lease` and the next one."""
        return float(self.first_pause * self.factor ** (lease.registration.attempts - 1))


@dataclass(frozen=True)
class RunnerParts:
    """What a runner is made of.

    `measuring` holds this runner's own policies, which say only what to measure; without them the
    server's are used for that, too. `renew_seconds` must be well under the lease. Without `sign`
    verdicts are not signed. `observers` are told what happens. Files are fetched and kept, and
    reports logged, in `in_workspace` of the version's workspace: there its clients read them.
    """

    queue: WorkQueue
    fetch: ArtifactFetcher
    fetch_training: TrainingFetcher
    scan: Scanner
    keep: SnapshotKeeper
    publish: EvidenceSink
    sign: VerdictSigner | None = None
    measuring: PolicySet | None = None
    renew_seconds: float = 15.0
    retries: Retries = field(default_factory=Retries)
    announce: Callable[[str], None] = lambda text: None
    observers: tuple[Observer, ...] = ()
    in_workspace: Callable[[str], AbstractContextManager[None]] = lambda name: nullcontext()

    def tell(self, event: RunnerEvent) -> None:
        """Tell all observers."""
        tell(self.observers, event)
