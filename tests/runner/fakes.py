"""A runner's parts without a model, files or a tracking server. Each does what its port says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.evidence import clean
from xray_gate.core.errors import ScanError, Unavailable
from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision
from xray_gate.policy.files import Policy
from xray_gate.scan.work import (
    Champion,
    MissingTraining,
    ModelOrigin,
    ScanOutput,
    TrainingFiles,
    VersionKey,
)


class Files:
    """Places in memory: a location's folder is there for the time of the context."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.missing: set[str] = set()
        self.away = False
        self.fetched: list[str] = []

    @contextmanager
    def __call__(self, location: str) -> Iterator[Path]:
        self.fetched.append(location)
        if self.away:
            raise Unavailable(f"the files at {location} could not be fetched (the store is away)")
        if location in self.missing:
            raise ScanError(f"the files at {location} could not be fetched; check the store")
        path = self._folder / str(len(self.fetched))
        path.mkdir()
        try:
            yield path
        finally:
            path.rmdir()


@dataclass
class LoggedData:
    """The data of every run, which is there for the time of the context; or `error` is raised."""

    error: Exception | None = None
    asked: list[ModelOrigin] = field(default_factory=list)
    open: bool = False

    @contextmanager
    def __call__(self, origin: ModelOrigin) -> Iterator[TrainingFiles]:
        self.asked.append(origin)
        if self.error is not None:
            raise self.error
        self.open = True
        try:
            yield TrainingFiles(f"runs:/{origin.run_id}/train.npz", Path("train.npz"))
        finally:
            self.open = False


@dataclass
class Scans:
    """Gives the evidence of `find`, and remembers what it was asked to scan."""

    find: Callable[[], Evidence] = clean
    asked: list[tuple[str, str]] = field(default_factory=list)
    champions: list[str | None] = field(default_factory=list)
    logged: list[TrainingFiles | MissingTraining | None] = field(default_factory=list)

    def __call__(
        self,
        path: Path,
        ref: str,
        policy: Policy,
        champion: Champion | None,
        logged: TrainingFiles | MissingTraining | None,
    ) -> ScanOutput:
        assert path.is_dir(), "the files must be there while the scan runs"
        self.asked.append((ref, policy.name))
        self.champions.append(None if champion is None else champion.ref)
        self.logged.append(logged)
        return ScanOutput(self.find())


@dataclass
class Kept:
    """Remembers what was kept, each at a place of its own; or `error` is raised."""

    digests: list[str] = field(default_factory=list)
    error: Exception | None = None

    def __call__(self, path: Path, digest: str) -> str:
        assert path.is_dir(), "the files must be there while they are kept"
        if self.error is not None:
            raise self.error
        self.digests.append(digest)
        return f"s3://kept/{len(self.digests)}"


@dataclass
class Reports:
    """Keeps what would be logged to MLflow."""

    logged: list[tuple[str, str, str]] = field(default_factory=list)
    attestations: list[str | None] = field(default_factory=list)
    broken: bool = False

    def __call__(
        self,
        key: VersionKey,
        output: ScanOutput,
        decision: Decision,
        policy: Policy,
        attestation: str | None = None,
    ) -> str:
        if self.broken:
            raise ConnectionError("the tracking server is down")
        self.logged.append((str(key), decision.verdict, policy.name))
        self.attestations.append(attestation)
        return f"{len(self.logged):032d}"
