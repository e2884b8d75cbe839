"""In what the model's process may be shut, from the weakest to the strongest."""

from dataclasses import dataclass
from typing import Literal, get_args

Isolation = Literal["process", "landlock+seccomp", "bubblewrap"]
ISOLATIONS: tuple[Isolation, ...] = get_args(Isolation)


@dataclass(frozen=True)
class LeastIsolation:
    """The weakest isolation in which a model may be opened.

    `pickled` is for formats that run code of whoever made the file, `other` for the rest.
    """

    pickled: Isolation = "landlock+seccomp"
    other: Isolation = "process"


def suffices(found: Isolation, least: Isolation) -> bool:
    """Whether `found` is as strong as `least`, or stronger."""
    return ISOLATIONS.index(found) >= ISOLATIONS.index(least)
