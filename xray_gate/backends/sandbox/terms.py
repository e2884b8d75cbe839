"""What the model's process is told to impose on itself before it loads anything."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Terms:
    """The restrictions of one process.

    `memory_bytes` bounds the address space (0: not at all), `seconds` wall time, `cpu_seconds` the
    CPU time of all its threads, `file_bytes` one file. `filtered`: under the filter of
    `seccomp.py`; `fenced`: under Landlock as well, with these paths. Without `fenced` something
    around the process keeps files from it, and `scratch` is true where that leaves it a folder.
    """

    memory_bytes: int
    seconds: float
    cpu_seconds: int
    file_bytes: int
    filtered: bool = False
    fenced: bool = False
    scratch: bool = False
    cuda: bool = False
    readable: tuple[str, ...] = field(default=())
    listed: tuple[str, ...] = field(default=())
    devices: tuple[str, ...] = field(default=())

    def to_text(self) -> str:
        """One argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Terms":
        """Read what `to_text` wrote."""
        told: dict[str, Any] = json.loads(text)
        for name in ("readable", "listed", "devices"):
            told[name] = tuple(told[name])
        return cls(**told)
