"""How a module of ours is started in one of the isolations."""

import math
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from xray_gate.backends.sandbox import bubblewrap
from xray_gate.backends.sandbox.places import places
from xray_gate.backends.sandbox.terms import Terms
from xray_gate.core.isolation import Isolation


@dataclass(frozen=True)
class Launch:
    """What a process is started with.

    `home` is an empty folder of its own, `model` the file or folder that it opens. Without
    `memory_bytes`, its address space has no limit; `seconds` are wall time.
    """

    isolation: Isolation
    home: Path
    seconds: float
    memory_bytes: int = 0
    model: Path | None = None
    cuda: bool = False
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, module: str, *arguments: str) -> list[str]:
        """Runs `module` of this package with its terms and the `arguments`."""
        python = [sys.executable, "-P", "-s", "-m", module, self._terms().to_text(), *arguments]
        if self.isolation != "bubblewrap":
            return python
        bwrap = shutil.which("bwrap") or "bwrap"
        return [*bubblewrap.prefix(bwrap, places(self.model, cuda=self.cuda)), *python]

    @property
    def relayed(self) -> bool:
        """Whether the command starts another process, which is the one that runs the module."""
        return self.isolation == "bubblewrap"

    def variables(self) -> dict[str, str]:
        """`environment`, with the home directory that the process finds."""
        if self.isolation != "bubblewrap":
            return self.environment
        home = str(self.home)
        return {n: bubblewrap.HOME if v == home else v for n, v in self.environment.items()}

    def _terms(self) -> Terms:
        cores = len(os.sched_getaffinity(0))
        fenced = self.isolation == "landlock+seccomp"
        found = places(self.model, cuda=self.cuda)
        return Terms(
            memory_bytes=self.memory_bytes,
            seconds=self.seconds,
            cpu_seconds=math.ceil(self.seconds * cores),
            # Landlock cannot bound how many files there are, so there are none; those that CUDA
            # makes in memory count as files here.
            file_bytes=0 if fenced and not self.cuda else bubblewrap.SCRATCH_BYTES,
            filtered=self.isolation != "process",
            fenced=fenced,
            scratch=self.isolation == "bubblewrap",
            cuda=self.cuda,
            readable=(*found.files, *found.kernel, str(self.home)) if fenced else (),
            listed=found.listed if fenced else (),
            devices=found.devices if fenced else (),
        )
