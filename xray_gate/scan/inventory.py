"""What stands in a registry, whether or not the gate has ever seen it."""

from collections.abc import Sequence
from dataclasses import dataclass

from xray_gate.scan.work import Promotion, VersionKey, VersionState


@dataclass(frozen=True)
class Inventoried:
    """A version of the registry that is there, and what the ledger knows of it.

    `location` is where its files lie, None where MLflow has no place. `state` is None for a version
    from before the gate; `verdict` is the newest, None before any.
    """

    key: VersionKey
    is_ready: bool
    location: str | None
    promotions: tuple[Promotion, ...]
    state: VersionState | None
    verdict: str | None
    is_scanned: bool

    @property
    def can_be_queued(self) -> bool:
        """Whether it is from before the gate, and was handed out until then."""
        return self.state is None and self.is_ready and self.location is not None


@dataclass(frozen=True)
class Coverage:
    """How many versions there are, how many were scanned, and the same of promoted ones."""

    versions: int
    scanned: int
    promoted: int
    promoted_scanned: int
    waiting: int

    @classmethod
    def of(cls, found: Sequence[Inventoried]) -> "Coverage":
        """Counted over an inventory."""
        promoted = [one for one in found if one.promotions]
        return cls(
            versions=len(found),
            scanned=sum(one.is_scanned for one in found),
            promoted=len(promoted),
            promoted_scanned=sum(one.is_scanned for one in promoted),
            waiting=sum(one.state is VersionState.WAITING for one in found),
        )

    def __str__(self) -> str:
        return (
            f"{self.scanned} of {self.versions} version(s) scanned, {self.promoted_scanned} of "
            f"{self.promoted} that are promoted"
        )
