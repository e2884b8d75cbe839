"""What was measured about a model: plain data, before any rule is applied to it.

Evidence and verdict are kept apart so that a changed policy can be replayed over old evidence.
"""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from types import NoneType
from typing import Any, TypeVar

from xray_gate.core.access import Access

Part = TypeVar("Part")
_LARGEST = sys.float_info.max


class RunState(StrEnum):
    """How far a detector got. Only a `completed` one has statistics that a rule may judge."""

    COMPLETED = "completed"
    INCONCLUSIVE = "inconclusive"
    ERRORED = "errored"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class SuspectedLabel:
    """A label that stands out; `share` is its part of the area or of the images, in [0, 1]."""

    label: int
    share: float


@dataclass(frozen=True)
class DetectorEvidence:
    """One detector's measurements.

    `statistics` and `parameters` hold JSON values only. `reason` is set whenever `state` is not
    completed. `seconds` is wall time.
    """

    name: str
    access: Access
    state: RunState
    reason: str | None = None
    statistics: Mapping[str, Any] = field(default_factory=dict)
    suspected_labels: tuple[SuspectedLabel, ...] = ()
    queries: int = 0
    seconds: float = 0.0
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ProbeFacts:
    """The clean samples that the scan used, and how the model did on them.

    `accuracy` is in [0, 1]; `sha256` covers pixels and labels, not the file that held them.
    """

    count: int
    classes: int
    sha256: str
    accuracy: float


@dataclass(frozen=True)
class WayOfAsking:
    """Questions that were asked in other company than before: so many, and other answers to these.

    `rounded` of those that `disagreed` are held against nobody: they lie on a boundary, and their
    labels depend on the size of a batch and not on what else is in it.
    """

    asked: int
    disagreed: int
    rounded: int

    @property
    def held(self) -> int:
        """How many disagreements nothing excuses."""
        return self.disagreed - self.rounded


@dataclass(frozen=True)
class AnswerFacts:
    """Whether the model answered alike in whatever company a question came.

    `clean_among_probing`: clean samples in batches of probe points, against their labels in clean
    batches; `probing_among_clean`: the reverse. `check_queries` counts all questions that were
    hidden in the detectors' batches, or asked after them.
    """

    check_queries: int
    clean_among_probing: WayOfAsking
    probing_among_clean: WayOfAsking


@dataclass(frozen=True)
class ModelFacts:
    """What is known of the model that answered.

    `digest` is `sha256:` and the hash over every file, `files` those of each by its name;
    `architecture` a hash over the kinds of layers and the shapes of the weights where the format
    shows them, else None. `flavours` are those that its MLmodel names: none where it has no
    MLmodel, None where they are not known.
    """

    ref: str
    digest: str
    format: str
    classes: int
    architecture: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    flavours: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Evidence:
    """All that one scan found out.

    `obstacle` says why the model could not be scanned, or not to the end, or not be believed; what
    detectors found before that stands. `answers` is None where the model could not be asked, or not
    be trusted at all. `not_applicable`: what the model says of itself that makes it no classifier
    of images; its files were looked through, and it was not asked.
    """

    scan_id: str
    started_at: str
    finished_at: str
    model: ModelFacts
    probes: ProbeFacts | None
    detectors: tuple[DetectorEvidence, ...]
    seed: int
    obstacle: str | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    answers: AnswerFacts | None = None
    not_applicable: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON values, read back by `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Evidence":
        """Rebuild from `to_json`; KeyError, TypeError or ValueError when it is not that."""
        read = cls(
            scan_id=data["scan_id"],
            started_at=data["started_at"],
            finished_at=data["finished_at"],
            model=_model_from_json(data["model"]),
            probes=None if data["probes"] is None else _typed(ProbeFacts(**data["probes"])),
            detectors=tuple(_detector_from_json(item) for item in data["detectors"]),
            seed=data["seed"],
            obstacle=data["obstacle"],
            environment=data["environment"],
            # Older evidence has none.
            answers=_answers_from_json(data.get("answers")),
            not_applicable=data.get("not_applicable"),
        )
        return _typed(read)


def _model_from_json(data: Mapping[str, Any]) -> ModelFacts:
    flavours = data.get("flavours")
    if flavours is not None:
        if not isinstance(flavours, list | tuple):
            raise TypeError(f"flavours of the evidence is a {type(flavours).__name__}")
        if not all(isinstance(name, str) for name in flavours):
            raise TypeError("flavours of the evidence are no names")
        data = {**data, "flavours": tuple(flavours)}
    return _typed(ModelFacts(**data))


def _answers_from_json(data: Mapping[str, Any] | None) -> AnswerFacts | None:
    if data is None:
        return None
    ways = {
        name: WayOfAsking(**data[name]) for name in ("clean_among_probing", "probing_among_clean")
    }
    return AnswerFacts(**{**data, **ways})


def _detector_from_json(data: Mapping[str, Any]) -> DetectorEvidence:
    suspected = tuple(_typed(SuspectedLabel(**item)) for item in data["suspected_labels"])
    detector = DetectorEvidence(
        **{
            **data,
            "access": Access(data["access"]),
            "state": RunState(data["state"]),
            "suspected_labels": suspected,
        }
    )
    return _typed(detector)


_TEXTS = ("scan_id", "started_at", "finished_at", "ref", "digest", "format", "sha256", "name")
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(_TEXTS, (str,)),
    **dict.fromkeys(("architecture", "reason", "obstacle", "not_applicable"), (str, NoneType)),
    **dict.fromkeys(("count", "classes", "seed", "label", "queries"), (int,)),
    **dict.fromkeys(("accuracy", "share", "seconds"), (int, float)),
    **dict.fromkeys(("files", "statistics", "parameters", "environment"), (Mapping,)),
}


def _typed(part: Part) -> Part:
    """`part`, all of whose fields are of their types; TypeError or ValueError for others."""
    for name, value in vars(part).items():
        kinds = _KINDS.get(name, (object,))
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds != (object,)):
            raise TypeError(f"{name} of the evidence is a {type(value).__name__}")
        if float in kinds and isinstance(value, int) and abs(value) > _LARGEST:
            raise ValueError(f"{name} of the evidence is no number that a float can be")
    return part
